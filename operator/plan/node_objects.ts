import { nodeObjectName, type QuicProxyNodeSpec } from "../../crds/node_schema.ts";
import { pruned } from "../../crds/pruning.ts";
import { intentShape } from "../../crds/schema.ts";
import { toStructural } from "../../crds/structural.ts";
import { RESOURCES } from "../../kube/resources.ts";
import { digestOf } from "../names.ts";
import type { ObservedNodeObject, ObservedProxy } from "../world.ts";
import type { InForce } from "./decide.ts";
import { childOf, type DesiredObject } from "./desired.ts";
import { nextGeneration } from "./generation.ts";

/** What a plan takes from outside, so that it stays a function of its arguments. */
export interface Fresh {
  readonly nowMs: number;
  /** The hash key of the QuicProxy. */
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
  const { hashKey } = fresh;
  const { listeners, routing, dataPlane, metrics, backends } = inForce.spec;
  const settings = { listeners, routing, dataPlane, metrics };
  const intent = { ...settings, backends: { health: backends.health } };
  const withBackends = { ...settings, backends: { static: inForce.resolved.backends, health: backends.health } };
  const byName = new Map(observed.map((object) => [object.name, object]));
  const names = new Set<string>();
  const desired = inForce.nodes.chosen.flatMap((nodeName) => {
    const name = nodeObjectName(proxy.name, nodeName);
    if (name === undefined) return [];
    names.add(name);
    const before = byName.get(name);
    const content = { proxy: proxy.name, nodeName, hashKey, intent: isOfOldVersion(before) ? withBackends : intent };
    const isUnchanged = before?.digest === contentDigest(content);
    const last = before && { generation: before.generation, isUnchanged };
    const generation = nextGeneration(last, [before?.status.appliedGeneration ?? 0], fresh.nowMs);
    const spec: QuicProxyNodeSpec = { ...content, generation, removals: "Observed" };
    return [childOf(proxy, { resource: RESOURCES.quicProxyNodes, name, content: { spec } })];
  });
  return { desired, surplus: observed.map(({ name }) => name).filter((name) => !names.has(name)) };
}

/** A proxy that knows QuicProxyBackends says which it has; until then its object goes on holding them. */
function isOfOldVersion(before: ObservedNodeObject | undefined): boolean {
  return before?.hasBackends === true && before.status.appliedBackends === undefined;
}

const INTENT_SCHEMA = toStructural(intentShape);

const digests = new WeakMap<object, string>();

/** The same object is the intent of many nodes. */
function sharedDigest(intent: object): string {
  const known = digests.get(intent);
  if (known !== undefined) return known;
  const digest = digestOf(pruned(intent, INTENT_SCHEMA));
  digests.set(intent, digest);
  return digest;
}

/** Digest of what makes a new generation, as far as this version knows it. */
export function contentDigest({ proxy, nodeName, hashKey, intent = {} as never }: Partial<QuicProxyNodeSpec>): string {
  return digestOf([proxy, nodeName, hashKey, sharedDigest(intent)]);
}
