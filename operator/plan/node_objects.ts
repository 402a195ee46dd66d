import { nodeObjectName, type QuicProxyNodeSpec } from "../../crds/node_schema.ts";
import { RESOURCES } from "../../kube/resources.ts";
import { digestOf } from "../names.ts";
import type { ObservedNodeObject, ObservedProxy } from "../world.ts";
import type { InForce } from "./decide.ts";
import { childOf, type DesiredObject } from "./desired.ts";

/** What a plan takes from outside, so that it stays a function of its arguments. */
export interface Fresh {
  readonly nowMs: number;
  /** 32 hexadecimal digits, used where no node of a QuicProxy has a key yet. */
  readonly hashKey: string;
}

export interface NodeObjects {
  readonly desired: readonly DesiredObject[];
  /** Names of those that no node needs any more. */
  readonly surplus: readonly string[];
}

/** One QuicProxyNode for each chosen node. */
export function planNodeObjects(
  proxy: ObservedProxy,
  inForce: InForce,
  observed: readonly ObservedNodeObject[],
  fresh: Fresh,
): NodeObjects {
  const hashKey = keyOfProxy(observed) ?? fresh.hashKey;
  const { listeners, routing, dataPlane, metrics } = inForce.spec;
  const { resolved } = inForce;
  const backends = { static: resolved.backends, health: inForce.spec.backends.health };
  const intent = { listeners, backends, routing, dataPlane, metrics };
  const removals = resolved.observed ? "Observed" : "Unobserved";
  const names = new Set<string>();
  const desired = inForce.nodes.chosen.flatMap((nodeName) => {
    const name = nodeObjectName(proxy.name, nodeName);
    if (name === undefined) return [];
    names.add(name);
    const content = { proxy: proxy.name, nodeName, hashKey, intent };
    const before = observed.find((each) => each.name === name);
    const generation = nextGeneration(before, contentDigest(content), fresh.nowMs);
    // How the present generation came about does not change with what is seen later.
    const unchanged = before !== undefined && before.generation === generation;
    const spec: QuicProxyNodeSpec = { ...content, generation, removals: unchanged ? before.removals : removals };
    return [childOf(proxy, { resource: RESOURCES.quicProxyNodes, name, content: { spec } })];
  });
  return { desired, surplus: observed.map(({ name }) => name).filter((name) => !names.has(name)) };
}

/** Digest of what makes a new generation. */
export function contentDigest({ proxy, nodeName, hashKey, intent }: Partial<QuicProxyNodeSpec>): string {
  return digestOf({ proxy, nodeName, hashKey, intent });
}

/**
 * Unchanged content keeps its generation. New content gets the next one, but at least the present time in milliseconds:
 * an object that was deleted, or comes from an old backup, must not start below what a node already runs on.
 */
function nextGeneration(before: ObservedNodeObject | undefined, digest: string, nowMs: number): number {
  if (before === undefined) return nowMs;
  const applied = crediblyApplied(before, nowMs);
  if (before.digest === digest && applied <= before.generation) return before.generation;
  return Math.max(before.generation + 1, applied + 1, nowMs);
}

/** One node's nonsense must not make a generation that no number or no other node comes after. */
function crediblyApplied({ status }: ObservedNodeObject, nowMs: number): number {
  const applied = status.appliedGeneration ?? 0;
  return isCredible(applied, nowMs) ? applied : 0;
}

const CLOCK_SKEW_MAX_MS = 24 * 3_600_000;

/** Whether an operator can have asked for a generation: it is a time of one, or a few more. */
export function isCredible(generation: number, nowMs: number): boolean {
  return generation <= nowMs + CLOCK_SKEW_MAX_MS;
}

/** The key lives on in the nodes' objects, so that a restarted operator finds it without reading a Secret. */
function keyOfProxy(observed: readonly ObservedNodeObject[]): string | undefined {
  const keys = [...observed].sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ hashKey }) => hashKey);
  return keys.find((key) => /^[0-9a-f]{32}$/.test(key));
}
