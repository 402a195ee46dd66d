import { type Backend, type BackendsIndex, type BackendsSpec, backendsSpecShape } from "../../crds/backends_schema.ts";
import { pruned } from "../../crds/pruning.ts";
import { toStructural } from "../../crds/structural.ts";
import { RESOURCES } from "../../kube/resources.ts";
import { digestOf, share } from "../digest.ts";
import type { ObservedBackends, ObservedNodeObject, ObservedProxy } from "../world.ts";
import type { ResolvedBackends } from "./backends.ts";
import { type Chunking, chunk } from "./chunks.ts";
import { childOf, type DesiredObject } from "./desired.ts";
import { nextGeneration } from "./generation.ts";

export interface BackendObjects {
  /** To be there before the index that names them: whoever sees that can have all of them. */
  readonly chunks: readonly DesiredObject[];
  readonly index: DesiredObject;
  /** Names of chunks that no index names any more. */
  readonly surplus: readonly string[];
}

export interface BackendsBefore {
  readonly objects: readonly ObservedBackends[];
  readonly nodes: readonly ObservedNodeObject[];
}

/** The QuicProxyBackends of one QuicProxy; a step for each chunk. Pure, and all that is asked of outside in the first. */
export function* planBackendObjects(
  proxy: ObservedProxy,
  resolved: ResolvedBackends,
  { objects, nodes }: BackendsBefore,
  nowMs: number,
): Generator<undefined, BackendObjects> {
  const before = objects.find(({ name }) => name === proxy.name);
  const isSeen = before?.index === undefined || isRemovalSeen(before.index, objects, resolved);
  const { buckets, chunks } = chunked(resolved.backends, before?.index?.buckets);
  const desired: DesiredObject[] = [];
  for (const backends of chunks) {
    yield;
    const name = chunkName(proxy.name, share(backends));
    desired.push(objectOf(proxy, name, { proxy: proxy.name, backends: backends as Backend[] }));
  }
  const content = {
    source: resolved.source,
    buckets,
    chunks: desired.map(({ object }) => object.metadata.name),
    count: resolved.backends.length,
    serving: resolved.backends.filter(({ weight }) => weight > 0).length,
  };
  const stamp = stampOf(before, { content, isSeen, nodes, nowMs });
  const index = objectOf(proxy, proxy.name, { proxy: proxy.name, index: { ...content, ...stamp } });
  const kept = new Set([proxy.name, ...content.chunks]);
  return {
    chunks: desired,
    index,
    surplus: objects.map(({ name }) => name).filter((name) => !kept.has(name)),
  };
}

const chunkedBefore = new WeakMap<readonly Backend[], Chunking & { readonly before: number | undefined }>();

/** The same backends are planned again whenever something else changed; their chunks are the same objects then. */
function chunked(backends: readonly Backend[], before: number | undefined): Chunking {
  const known = chunkedBefore.get(backends);
  if (known !== undefined && (known.before === before || known.buckets === before)) return known;
  const chunking = chunk(backends, before);
  chunkedBefore.set(backends, { ...chunking, before });
  return chunking;
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
  /** Whether what is missing now was seen to go. */
  readonly isSeen: boolean;
  readonly nodes: readonly ObservedNodeObject[];
  readonly nowMs: number;
}

type Stamp = Pick<BackendsIndex, "generation" | "removals">;

function stampOf(before: ObservedBackends | undefined, { content, isSeen, nodes, nowMs }: Present): Stamp {
  const applied = nodes.map(({ status }) => status.appliedBackends ?? 0);
  if (before?.index === undefined)
    return { generation: nextGeneration(undefined, applied, nowMs), removals: "Observed" };
  const { generation: last, removals, ...rest } = before.index;
  const isUnchanged = digestOf(rest) === digestOf(content);
  const generation = nextGeneration({ generation: last, isUnchanged }, applied, nowMs);
  // How the present generation came about does not change with what is seen later.
  if (generation === last) return { generation, removals };
  return { generation, removals: isSeen ? "Observed" : "Unobserved" };
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
