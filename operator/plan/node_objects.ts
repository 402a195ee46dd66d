import { nodeObjectName, type QuicProxyNodeSpec } from "../../crds/node_schema.ts";
import { pruned } from "../../crds/pruning.ts";
import { intentShape } from "../../crds/schema.ts";
import { toStructural } from "../../crds/structural.ts";
import { RESOURCES } from "../../kube/resources.ts";
import { digestOf, share } from "../digest.ts";
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

/** One QuicProxyNode for each chosen node; a step for each. */
export function* planNodeObjects(
  proxy: ObservedProxy,
  inForce: InForce,
  observed: readonly ObservedNodeObject[],
  fresh: Fresh,
): Generator<undefined, NodeObjects> {
  const { hashKey } = fresh;
  const { listeners, routing, dataPlane, metrics, backends } = inForce.spec;
  const settings = { listeners, routing, dataPlane, metrics };
  const intent = share({ ...settings, backends: { health: backends.health } });
  const withBackends = { ...settings, backends: { static: inForce.resolved.backends, health: backends.health } };
  const byName = new Map(observed.map((object) => [object.name, object]));
  const names = new Set<string>();
  const desired: DesiredObject[] = [];
  for (const nodeName of inForce.nodes.chosen) {
    const name = nodeObjectName(proxy.name, nodeName);
    if (name === undefined) continue;
    names.add(name);
    const before = byName.get(name);
    const content = { proxy: proxy.name, nodeName, hashKey, intent: isOfOldVersion(before) ? withBackends : intent };
    const isUnchanged = before?.digest === contentDigest(content);
    const last = before && { generation: before.generation, isUnchanged };
    const generation = nextGeneration(last, [before?.status.appliedGeneration ?? 0], fresh.nowMs);
    const spec: QuicProxyNodeSpec = { ...content, generation, removals: "Observed" };
    desired.push(childOf(proxy, { resource: RESOURCES.quicProxyNodes, name, content: { spec } }));
    yield;
  }
  return { desired, surplus: observed.map(({ name }) => name).filter((name) => !names.has(name)) };
}

/** A proxy that knows QuicProxyBackends says which it has; until then its object goes on holding them. */
function isOfOldVersion(before: ObservedNodeObject | undefined): boolean {
  return before?.hasBackends === true && before.status.appliedBackends === undefined;
}

const INTENT_SCHEMA = toStructural(intentShape);

const digests = new WeakMap<object, string>();
const digestsOfTexts = new Map<string, string>();
const TEXTS_MAX = 16;
const TEXT_MAX = 16_384;

/** The same intent is that of many nodes: planned, as one object, and read, as many objects of the same text. */
function sharedDigest(intent: object): string {
  const known = digests.get(intent);
  if (known !== undefined) return known;
  const text = JSON.stringify(intent);
  const digest = digestsOfTexts.get(text) ?? digestOf(pruned(intent, INTENT_SCHEMA));
  digests.set(intent, digest);
  if (digestsOfTexts.size >= TEXTS_MAX) digestsOfTexts.clear();
  if (text.length <= TEXT_MAX) digestsOfTexts.set(text, digest);
  return digest;
}

/** Digest of what makes a new generation, as far as this version knows it. */
export function contentDigest({ proxy, nodeName, hashKey, intent = {} as never }: Partial<QuicProxyNodeSpec>): string {
  return digestOf([proxy, nodeName, hashKey, sharedDigest(intent)]);
}
