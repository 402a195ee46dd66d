import type { BackendsSpec } from "../../../crds/backends_schema.ts";
import { classSpecShape } from "../../../crds/class_schema.ts";
import type { KubernetesObject } from "../../../kube/objects.ts";
import { type Decision, decideAll, type InForce } from "../../../operator/plan/decide.ts";
import type { DesiredObject, PodOptions } from "../../../operator/plan/desired.ts";
import { podAddressesOf } from "../../../operator/plan/endpoints.ts";
import { type Plan, planProxy } from "../../../operator/plan/plan.ts";
import { clusterAddresses } from "../../../operator/watch/addresses.ts";
import { projectBackends, projectChild, projectNodeObject, projectRevision } from "../../../operator/watch/project.ts";
import type {
  ObservedBackends,
  ObservedClass,
  ObservedGrant,
  ObservedKey,
  ObservedNode,
  ObservedNodeObject,
  ObservedPod,
  ObservedProxy,
  ObservedRefusal,
  ObservedRevision,
  ObservedService,
  ObservedSlice,
  World,
} from "../../../operator/world.ts";

export const POD_OPTIONS: PodOptions = {
  image: "registry/quicproxy:1",
  imagePullPolicy: "IfNotPresent",
  imagePullSecrets: [],
  priorityClass: undefined,
  capabilities: "Sockets",
  architecture: undefined,
};

export const FRESH = { nowMs: 1_700_000_000_000, hashKey: "0123456789abcdef0123456789abcdef" };

export interface WorldParts {
  proxies: ObservedProxy[];
  nodes: ObservedNode[];
  classes: ObservedClass[];
  /** Undefined: the kind is not served. */
  grants: ObservedGrant[] | undefined;
  services: ObservedService[];
  slices: ObservedSlice[];
  nodeObjects: ObservedNodeObject[];
  pods: ObservedPod[];
  revisions: ObservedRevision[];
  refusals: ObservedRefusal[];
  children: KubernetesObject[];
  keys: ObservedKey[];
  backendObjects: ObservedBackends[];
  /** Addresses that a watch saw go. */
  seenToGo: string[];
  /** How long nothing came for a QuicProxyNode, in milliseconds. */
  reportAges: Readonly<Record<string, number>>;
}

/** A world that a test fills as it likes. */
export class FakeWorld implements World {
  readonly parts: WorldParts;

  constructor(parts: Partial<WorldParts> = {}) {
    const empty: WorldParts = {
      proxies: [],
      nodes: [],
      classes: [openClass()],
      grants: undefined,
      services: [],
      slices: [],
      nodeObjects: [],
      pods: [],
      revisions: [],
      refusals: [],
      children: [],
      keys: [],
      backendObjects: [],
      seenToGo: [],
      reportAges: {},
    };
    this.parts = { ...empty, ...parts };
  }

  get proxies() {
    return this.parts.proxies;
  }

  get nodes() {
    return this.parts.nodes;
  }

  get classes() {
    return this.parts.classes;
  }

  get addresses() {
    return clusterAddresses(this.parts.nodes, this.parts.services);
  }

  podAddresses(namespace: string) {
    return podAddressesOf(this.parts.slices.filter((slice) => slice.namespace === namespace));
  }

  grants(namespace: string) {
    return this.parts.grants?.filter((grant) => grant.namespace === namespace);
  }

  service(namespace: string, name: string) {
    return this.parts.services.find((service) => service.namespace === namespace && service.name === name);
  }

  slices(namespace: string, service: string) {
    return this.parts.slices.filter((slice) => slice.namespace === namespace && slice.service === service);
  }

  wasSeenToGo(_namespace: string, _service: string, { address }: { address: string }) {
    return this.parts.seenToGo.includes(address);
  }

  nodeObject(namespace: string, name: string) {
    return this.parts.nodeObjects.find((object) => object.namespace === namespace && object.name === name);
  }

  reportAgeMs(_namespace: string, name: string) {
    return this.parts.reportAges[name];
  }

  backendObject(namespace: string, name: string) {
    return this.parts.backendObjects.find((object) => object.namespace === namespace && object.name === name);
  }

  backendObjects(namespace: string, proxy: string) {
    return this.parts.backendObjects.filter((object) => object.namespace === namespace && object.proxy === proxy);
  }

  nodeObjects(namespace: string, proxy: string) {
    return this.parts.nodeObjects.filter((object) => object.namespace === namespace && object.proxy === proxy);
  }

  hashKey(namespace: string, proxy: string) {
    return this.parts.keys.find((key) => key.namespace === namespace && key.proxy === proxy)?.hashKey;
  }

  pods(namespace: string, proxy: string) {
    return this.parts.pods.filter((pod) => pod.namespace === namespace && pod.proxy === proxy);
  }

  podsOn(nodeName: string) {
    return this.parts.pods.filter((pod) => pod.targetNode === nodeName);
  }

  nodeObjectsOn(nodeName: string) {
    return this.parts.nodeObjects.filter((object) => object.nodeName === nodeName);
  }

  revisions(namespace: string, proxy: string) {
    return this.parts.revisions.filter((each) => each.namespace === namespace && each.proxy === proxy);
  }

  podRefusals(namespace: string, daemonSet: string) {
    return this.parts.refusals.filter((each) => each.namespace === namespace && each.daemonSet === daemonSet);
  }

  child(kind: string, namespace: string, name: string) {
    return this.parts.children.find(({ kind: each, metadata }) => {
      return each === kind && metadata.namespace === namespace && metadata.name === name;
    });
  }

  /** The world after a plan was applied, as the API server and the caches would show it. */
  applied({ stages, surplus, labels }: Plan): FakeWorld {
    const byKey = new Map(this.parts.children.map((child) => [`${child.kind} ${child.metadata.name}`, child]));
    const nodeObjects = new Map(this.parts.nodeObjects.map((object) => [object.name, object]));
    const backendObjects = new Map(this.parts.backendObjects.map((object) => [object.name, object]));
    const revisions = new Map(this.parts.revisions.map((object) => [object.name, object]));
    for (const { object } of stages.flat()) {
      const stored = structuredClone(JSON.parse(JSON.stringify(object))) as KubernetesObject;
      if (object.kind === "QuicProxyNode") nodeObjects.set(object.metadata.name, projectNodeObject(stored)!);
      else if (object.kind === "QuicProxyBackends") backendObjects.set(object.metadata.name, projectBackends(stored)!);
      else if (object.kind === "ControllerRevision") {
        const creationTimestamp = new Date(FRESH.nowMs).toISOString();
        const metadata = { ...stored.metadata, creationTimestamp };
        revisions.set(object.metadata.name, projectRevision({ ...stored, metadata })!);
      } else byKey.set(`${object.kind} ${object.metadata.name}`, projectChild(stored)!);
    }
    for (const { name } of surplus) {
      nodeObjects.delete(name);
      revisions.delete(name);
      backendObjects.delete(name);
    }
    const nodes = this.parts.nodes.map((node) => {
      const present = { ...node.labels };
      for (const { node: name, label, excluded } of labels) {
        if (name !== node.name) continue;
        if (excluded) present[label] = "false";
        else delete present[label];
      }
      return { ...node, labels: present };
    });
    return new FakeWorld({
      ...this.parts,
      nodes,
      children: [...byKey.values()],
      nodeObjects: [...nodeObjects.values()],
      revisions: [...revisions.values()],
      backendObjects: [...backendObjects.values()],
    });
  }
}

export function proxy(name: string, spec: object = {}, changes: Partial<ObservedProxy> = {}): ObservedProxy {
  const namespace = changes.namespace ?? "media";
  return {
    key: `${namespace}/${name}`,
    namespace,
    name,
    uid: `uid-${name}`,
    generation: 1,
    createdAt: "2026-01-01T00:00:00Z",
    deleting: false,
    finalizers: [],
    status: {},
    spec: { listeners: [{ port: 443 }], backends: { static: [{ address: "10.0.0.7", port: 4433 }] }, ...spec },
    ...changes,
  };
}

/** A class, the default one unless changed, with what is given of its spec. */
export function quicProxyClass(spec: object = {}, changes: Partial<ObservedClass> = {}): ObservedClass {
  const defaults = { name: "default", createdAt: "2026-01-01T00:00:00Z", isDefault: true, fault: undefined };
  return { ...defaults, spec: classSpecShape.parse(spec), ...changes };
}

const EVERYWHERE = { cidrs: ["0.0.0.0/0", "::/0"] };
const ANY_PORT = [{ first: 1, last: 65_535 }];

/** One that refuses as little as any class can, for tests of other things. */
export function openClass(): ObservedClass {
  return quicProxyClass({
    listenerPorts: ANY_PORT,
    metricsPorts: ANY_PORT,
    tolerations: [{ operator: "Exists" }],
    max: { workers: 64, flowMemory: "64Gi", receiveBuffer: "1Gi", sendBuffer: "1Gi", cpu: "9999", memory: "1024Gi" },
    destinations: { ...EVERYWHERE, guarded: [] },
    tuning: "Allowed",
  });
}

export function node(
  name: string,
  labels: Record<string, string> = {},
  changes: Partial<ObservedNode> = {},
): ObservedNode {
  return { name, labels, taints: [], ready: true, runsImage: true, addresses: [], podCidrs: [], ...changes };
}

export function service(changes: Partial<ObservedService> = {}): ObservedService {
  const ports = [{ name: "quic", port: 443, protocol: "UDP" }];
  return { namespace: "media", name: "server", type: "ClusterIP", family: "IPv4", ports, addresses: [], ...changes };
}

export function slice(endpoints: readonly string[], changes: Partial<ObservedSlice> = {}): ObservedSlice {
  return {
    namespace: "media",
    service: "server",
    family: "IPv4",
    ports: [{ name: "quic", port: 4433, protocol: "UDP" }],
    endpoints: endpoints.map((address) => ({ address, isPod: true, ready: true, serving: true, terminating: false })),
    ...changes,
  };
}

export function pod(nodeName: string, changes: Partial<ObservedPod> = {}): ObservedPod {
  return {
    namespace: "media",
    name: `edge-${nodeName}`,
    proxy: "edge",
    uid: `uid-${nodeName}`,
    nodeName,
    targetNode: changes.nodeName ?? nodeName,
    ready: true,
    trouble: undefined,
    terminating: false,
    started: true,
    restarts: 0,
    template: undefined,
    createdAtMs: FRESH.nowMs - 3_600_000,
    changedAtMs: FRESH.nowMs - 3_600_000,
    ...changes,
  };
}

export const SERVICE_SPEC = { backends: { service: { name: "server", port: 443 } } };

export function decisionOf(world: World, name = "edge", nowMs = FRESH.nowMs): Decision {
  return decideAll(world, nowMs).all.get(`media/${name}`)!;
}

/** What is in force, of a spec that is accepted. */
export function accepted(world: World, name = "edge"): InForce {
  const { refusal, inForce } = decisionOf(world, name);
  if (refusal !== undefined) throw new Error(`not accepted: ${refusal.message}`);
  return inForce!;
}

export function planOf(world: FakeWorld, name = "edge", fresh = FRESH): Plan {
  const found = world.proxies.find((each) => each.name === name)!;
  const decision = decideAll(world, fresh.nowMs).all.get(found.key);
  const steps = planProxy(world, found, decision, { options: POD_OPTIONS, fresh });
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** `address weight` of each backend that a plan gives to the proxies, sorted. */
export function plannedBackends(plan: Plan): string[] {
  const specs = plan.stages
    .flat()
    .filter(({ object }) => object.kind === "QuicProxyBackends")
    .map(({ object }) => (object as unknown as { spec: BackendsSpec }).spec);
  return specs.flatMap(({ backends = [] }) => backends.map(({ address, weight }) => `${address} ${weight}`)).sort();
}

/** A desired object by kind, or by kind and name. */
export function find<T = Record<string, never>>(plan: Plan, kind: string, name?: string): T {
  const found = plan.stages
    .flat()
    .find(({ object }) => object.kind === kind && (name === undefined || object.metadata.name === name));
  return (found as DesiredObject).object as unknown as T;
}
