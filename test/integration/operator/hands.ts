import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesObject, ObjectMeta } from "../../../kube/objects.ts";
import { RESOURCES } from "../../../kube/resources.ts";
import type { SendRequest } from "../../../kube/transport.ts";
import { type Admin, NAMESPACE, type NodeObject } from "./fixtures.ts";

const { daemonSets, pods, quicProxyNodes, quicProxyBackends, nodes } = RESOURCES;

type Index = { spec: { index: { generation: number } } } | undefined;

interface DaemonSet {
  readonly metadata: ObjectMeta;
  readonly spec: {
    readonly template: { readonly metadata: ObjectMeta; readonly spec: { readonly containers: [{ image: string }] } };
  };
}

export type Pod = KubernetesObject & { readonly spec: { readonly nodeName: string } };

const EVERY_MS = 50;
/** Long ago, so that nothing has to be watched for some seconds first. */
const LONG_AGO = "2026-01-01T00:00:00Z";

/** What the DaemonSet controller, kubelets and proxies do for the DaemonSet of a QuicProxy `edge`. Stop it at the end. */
export class ClusterHands {
  readonly #admin: Admin;
  readonly #send: SendRequest;
  #stopped = false;
  #running: Promise<void> | undefined;
  /** Nodes whose kubelets do nothing. */
  readonly dead = new Set<string>();
  /** Whether pods that are to end do. */
  endsPods = true;
  /** Images of which no proxy gets ready. */
  isBroken: (image: string) => boolean = () => false;
  /** The most pods that were away at a time, of nodes that are not dead. */
  awayMax = 0;

  constructor(admin: Admin, send: SendRequest) {
    this.#admin = admin;
    this.#send = send;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    for (const { metadata } of await this.pods()) await this.#end(metadata.name);
  }

  async pods(): Promise<Pod[]> {
    const { items } = await this.#admin.client.list({ resource: pods, namespace: NAMESPACE });
    return items as Pod[];
  }

  /** UID of the pod of each node that has one which stays. */
  async uids(): Promise<Record<string, string>> {
    const staying = (await this.pods()).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    return Object.fromEntries(staying.map(({ metadata, spec }) => [spec.nodeName, metadata.uid!]));
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#once().catch((error: Error) => {
        if (!/404|409/.test(error.message)) console.error(error);
      });
      await sleep(EVERY_MS);
    }
  }

  async #once(): Promise<void> {
    const daemonSet = (await this.#admin.client.get(daemonSets, {
      namespace: NAMESPACE,
      name: "quicproxy-edge",
    })) as unknown as DaemonSet | undefined;
    if (daemonSet === undefined) return;
    const { generation } = daemonSet.metadata;
    const zero = { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 };
    await this.#status(daemonSets, daemonSet.metadata.name, { ...zero, observedGeneration: generation });
    const present = await this.pods();
    const { items } = await this.#admin.client.list({ resource: nodes });
    const live = items.map(({ metadata }) => metadata.name).filter((name) => !this.dead.has(name));
    const away = live.filter(
      (name) => !present.some(({ metadata, spec }) => spec.nodeName === name && !metadata.deletionTimestamp),
    );
    if (present.length > 0) this.awayMax = Math.max(this.awayMax, away.length);
    for (const node of live)
      await this.#node(
        node,
        daemonSet,
        present.find(({ spec }) => spec.nodeName === node),
      );
  }

  async #node(node: string, daemonSet: DaemonSet, pod: Pod | undefined): Promise<void> {
    if (pod === undefined)
      return this.makePod(node, daemonSet.spec.template.metadata, daemonSet.spec.template.spec.containers[0].image);
    if (pod.metadata.deletionTimestamp !== undefined) {
      if (this.endsPods) await this.#end(pod.metadata.name);
      return;
    }
    const place = { namespace: NAMESPACE, name: `edge.${node}` };
    const object = (await this.#admin.client.get(quicProxyNodes, place)) as unknown as
      | (NodeObject & { spec: { drain?: boolean } })
      | undefined;
    const image = (pod.spec as unknown as { containers: [{ image: string }] }).containers[0].image;
    const ready = !this.isBroken(image) && object?.spec.drain !== true;
    const state = this.isBroken(image)
      ? { waiting: { reason: "ImagePullBackOff", message: "no such image" } }
      : { running: { startedAt: LONG_AGO } };
    const container = { name: "proxy", image, imageID: "", ready, started: ready, restartCount: 0, state };
    const condition = { type: "Ready", status: ready ? "True" : "False", lastTransitionTime: LONG_AGO };
    await this.#status(pods, pod.metadata.name, {
      phase: "Running",
      conditions: [condition],
      containerStatuses: [container],
    });
    if (object === undefined) return;
    const backends = (await this.#admin.client.get(quicProxyBackends, {
      namespace: NAMESPACE,
      name: "edge",
    })) as unknown as Index;
    const appliedBackends = backends?.spec.index.generation ?? 0;
    const report = { ready, appliedGeneration: object.spec.generation, appliedBackends, source: "ApiServer" };
    await this.#status(quicProxyNodes, place.name, report);
  }

  async makePod(
    node: string,
    { labels, annotations }: Pick<ObjectMeta, "labels" | "annotations">,
    image: string,
  ): Promise<void> {
    const owner = { apiVersion: "apps/v1", kind: "DaemonSet", name: "quicproxy-edge", uid: "any", controller: true };
    const name = `quicproxy-edge-${node}-${Math.random().toString(36).slice(2, 7)}`;
    const metadata = { namespace: NAMESPACE, name, labels, annotations, ownerReferences: [owner] };
    const spec = { nodeName: node, containers: [{ name: "proxy", image }], terminationGracePeriodSeconds: 10 };
    await this.#admin.client.create(pods, { apiVersion: "v1", kind: "Pod", metadata, spec } as KubernetesObject);
  }

  async #status(
    resource: typeof pods | typeof daemonSets | typeof quicProxyNodes,
    name: string,
    status: object,
  ): Promise<void> {
    const { group, version, kind } = resource;
    const apiVersion = group === "" ? version : `${group}/${version}`;
    await this.#admin.status(resource, { apiVersion, kind, metadata: { namespace: NAMESPACE, name }, status });
  }

  async #end(name: string): Promise<void> {
    const path = `/api/v1/namespaces/${NAMESPACE}/pods/${name}?gracePeriodSeconds=0`;
    const response = await this.#send({ method: "DELETE", path, signal: AbortSignal.timeout(5000) });
    response.body.destroy();
  }
}
