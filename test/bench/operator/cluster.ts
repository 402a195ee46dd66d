import type { KubernetesObject } from "../../../kube/objects.ts";
import { RESOURCES, type Resource } from "../../../kube/resources.ts";
import { APP_NAME, MANAGED_BY_LABEL, NAME_LABEL, PROXY_LABEL } from "../../../operator/names.ts";
import { type Admin, NAMESPACE } from "../../integration/operator/fixtures.ts";
import { inParallel } from "./in_parallel.ts";

/* Plain objects in place of what kubelets and controllers write, about as large as theirs. */

export const PROXY = "edge";
export const SERVICE = "server";
const PER_SLICE = 100;
const IMAGES = 30;

export const nodeName = (index: number): string => `node-${String(index).padStart(5, "0")}`;

export interface Size {
  readonly nodes: number;
  readonly endpoints: number;
}

export function specOf(port: number): object {
  return { listeners: [{ port }], backends: { service: { name: SERVICE, port: 443 } }, metrics: { port: 0 } };
}

/** Nodes, a Ready pod on each, the Service and its slices. */
export async function fillCluster(admin: Admin, { nodes, endpoints }: Size): Promise<Slices> {
  const names = Array.from({ length: nodes }, (_, index) => nodeName(index));
  const write = async (resource: Resource, object: object): Promise<void> => {
    await admin.client.create(resource, object as KubernetesObject);
    if ("status" in object) {
      const { metadata, status } = object as unknown as KubernetesObject & { status: object };
      const { name, namespace } = metadata;
      await admin.client.mergePatch(resource, { name, namespace, subresource: "status" }, { status });
    }
  };
  await inParallel(names, (name) => write(RESOURCES.nodes, nodeOf(name)));
  await inParallel(names, (name) => write(RESOURCES.pods, podOf(name)));
  await admin.service(SERVICE, 443);
  const slices = new Slices(admin, endpoints);
  await slices.writeAll();
  return slices;
}

/** The EndpointSlices of the Service, 100 endpoints in each. */
export class Slices {
  readonly #admin: Admin;
  readonly #slices: { address: string; ready: boolean }[][];
  #nextAddress: number;

  constructor(admin: Admin, endpoints: number) {
    this.#admin = admin;
    this.#nextAddress = endpoints;
    const all = Array.from({ length: endpoints }, (_, index) => ({ address: addressOf(index), ready: true }));
    this.#slices = Array.from({ length: Math.ceil(endpoints / PER_SLICE) }, (_, index) =>
      all.slice(index * PER_SLICE, (index + 1) * PER_SLICE),
    );
  }

  async writeAll(): Promise<void> {
    await inParallel([...this.#slices.keys()], (index) => this.#write(index));
  }

  /** One endpoint is ready no more, or again. */
  async turn(index: number): Promise<void> {
    const slice = index % this.#slices.length;
    const endpoint = this.#slices[slice]![index % this.#slices[slice]!.length]!;
    endpoint.ready = !endpoint.ready;
    await this.#write(slice);
  }

  /** One endpoint goes, and another comes. */
  async replace(index: number): Promise<void> {
    const slice = index % this.#slices.length;
    const at = index % this.#slices[slice]!.length;
    this.#slices[slice]![at] = { address: addressOf(this.#nextAddress++), ready: true };
    await this.#write(slice);
  }

  async #write(index: number): Promise<void> {
    await this.#admin.apply(RESOURCES.endpointSlices, {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        namespace: NAMESPACE,
        name: `${SERVICE}-${index}`,
        labels: { "kubernetes.io/service-name": SERVICE },
      },
      addressType: "IPv4",
      ports: [{ name: "quic", port: 4433, protocol: "UDP" }],
      endpoints: this.#slices[index]!.map(({ address, ready }) => ({
        addresses: [address],
        conditions: { ready, serving: ready, terminating: false },
        nodeName: nodeName(index),
        targetRef: { kind: "Pod", namespace: NAMESPACE, name: `server-${address.replaceAll(".", "-")}` },
      })),
    });
  }
}

function addressOf(index: number): string {
  return `10.${1 + (index >> 14)}.${(index >> 7) & 127}.${1 + (index & 127)}`;
}

const condition = (type: string): object => ({
  type,
  status: "True",
  reason: "KubeletSays",
  message: "the kubelet is posting what it has to say about this condition",
  lastHeartbeatTime: "2026-01-01T00:00:00Z",
  lastTransitionTime: "2026-01-01T00:00:00Z",
});

function nodeOf(name: string): object {
  const images = Array.from({ length: IMAGES }, (_, index) => {
    const digest = String(index).padStart(64, "0");
    const image = `registry.example.com/team/a-service-with-a-name-${index}`;
    return { names: [`${image}@sha256:${digest}`, `${image}:v1.${index}`], sizeBytes: 100_000_000 + index };
  });
  const conditions = ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"].map(condition);
  const labels = { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "topology.kubernetes.io/zone": "a" };
  return { apiVersion: "v1", kind: "Node", metadata: { name, labels }, status: { conditions, images } };
}

function podOf(node: string): object {
  const labels = { [NAME_LABEL]: APP_NAME, [MANAGED_BY_LABEL]: "quicproxy-operator", [PROXY_LABEL]: PROXY };
  const env = ["POD_NAMESPACE", "NODE_NAME"].map((name) => ({ name, value: node }));
  const resources = { requests: { cpu: "100m", memory: "128Mi" } };
  const container = {
    name: "proxy",
    image: "quicproxy:bench",
    args: ["run", "--last-good", "/var/lib"],
    env,
    resources,
  };
  const conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map((type) => ({
    type,
    status: "True",
    lastTransitionTime: "2026-01-01T00:00:00Z",
  }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: NAMESPACE, name: `quicproxy-${PROXY}-${node}`, labels },
    spec: { nodeName: node, hostNetwork: true, containers: [container] },
    status: { phase: "Running", conditions },
  };
}
