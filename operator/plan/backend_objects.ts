import { type Backend, type BackendsIndex, type BackendsSpec, backendsSpecShape } from "../../crds/backends_schema.ts";
import { pruned } from "../../crds/pruning.ts";
import { toStructural } from "../../crds/structural.ts";
import { RESOURCES } from "../../kube/resources.ts";
import { digestOf } from "../names.ts";
import type { ObservedBackends, ObservedNodeObject, ObservedProxy } from "../world.ts";
import type { ResolvedBackends } from "./backends.ts";
import { chunk } from "./chunks.ts";
import { childOf, type DesiredObject } from "./desired.ts";
import { nextGeneration } from "./generation.ts";

export interface BackendObjects {
  /** Chunks before the index that names them: whoever sees the index can have all of them. */
  readonly desired: readonly DesiredObject[];
  /** Names of chunks that no index names any more. */
  readonly surplus: readonly string[];
}

export interface BackendsBefore {
  readonly objects: readonly ObservedBackends[];
  readonly nodes: readonly ObservedNodeObject[];
}

/** The QuicProxyBackends of one QuicProxy. Pure. */
export function planBackendObjects(
  proxy: ObservedProxy,
  resolved: ResolvedBackends,
  { objects, nodes }: BackendsBefore,
  nowMs: number,
): BackendObjects {
  const before = objects.find(({ name }) => name === proxy.name);
  const { buckets, chunks } = chunk(resolved.backends, before?.index?.buckets);
  const named = chunks.map((backends) => ({ name: chunkName(proxy.name, backends), backends }));
  const content = {
    source: resolved.source,
    buckets,
    chunks: named.map(({ name }) => name),
    count: resolved.backends.length,
    serving: resolved.backends.filter(({ weight }) => weight > 0).length,
  };
  const index = { ...content, ...stampOf(before, objects, { content, resolved, nodes, nowMs }) };
  const desired = [
    ...named.map(({ name, backends }) => objectOf(proxy, name, { proxy: proxy.name, backends: [...backends] })),
    objectOf(proxy, proxy.name, { proxy: proxy.name, index }),
  ];
  const kept = new Set(desired.map(({ object }) => object.metadata.name));
  return { desired, surplus: objects.map(({ name }) => name).filter((name) => !kept.has(name)) };
}

const SPEC_SCHEMA = toStructural(backendsSpecShape);

/** What this version knows of a spec. */
export function knownBackends(spec: Partial<BackendsSpec>): Partial<BackendsSpec> {
  return pruned(spec, SPEC_SCHEMA) as Partial<BackendsSpec>;
}

export function backendsDigest(spec: Partial<BackendsSpec>): string {
  return digestOf(knownBackends(spec));
}

export function chunkName(proxy: string, backends: readonly Backend[]): string {
  return `${proxy}.${digestOf(backends)}`;
}

function objectOf(proxy: ObservedProxy, name: string, spec: BackendsSpec): DesiredObject {
  return childOf(proxy, { resource: RESOURCES.quicProxyBackends, name, content: { spec } });
}

interface Present {
  readonly content: Omit<BackendsIndex, "generation" | "removals">;
  readonly resolved: ResolvedBackends;
  readonly nodes: readonly ObservedNodeObject[];
  readonly nowMs: number;
}

type Stamp = Pick<BackendsIndex, "generation" | "removals">;

function stampOf(
  before: ObservedBackends | undefined,
  objects: readonly ObservedBackends[],
  { content, resolved, nodes, nowMs }: Present,
): Stamp {
  const applied = nodes.map(({ status }) => status.appliedBackends ?? 0);
  if (before?.index === undefined)
    return { generation: nextGeneration(undefined, applied, nowMs), removals: "Observed" };
  const { generation: last, removals, ...rest } = before.index;
  const isUnchanged = digestOf(rest) === digestOf(content);
  const generation = nextGeneration({ generation: last, isUnchanged }, applied, nowMs);
  // How the present generation came about does not change with what is seen later.
  if (generation === last) return { generation, removals };
  return { generation, removals: isRemovalSeen(before.index, objects, resolved) ? "Observed" : "Unobserved" };
}

/** Whether each backend that got new flows and gets none now was seen to go, or was taken away by who wrote the spec. */
function isRemovalSeen(
  { source, chunks }: BackendsIndex,
  objects: readonly ObservedBackends[],
  resolved: ResolvedBackends,
): boolean {
  if (source !== resolved.source) return true;
  const serving = new Set(
    resolved.backends.flatMap(({ address, port, weight }) => (weight > 0 ? [`${address} ${port}`] : [])),
  );
  const held = new Set(chunks);
  const before = objects.flatMap(({ name, backends }) => (held.has(name) ? (backends ?? []) : []));
  return before.every((backend) => {
    const { address, port, weight } = backend;
    return weight === 0 || serving.has(`${address} ${port}`) || resolved.wasSeenToGo(backend);
  });
}
