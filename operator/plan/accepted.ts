import { type QuicProxySpec, specShape } from "../../crds/schema.ts";
import { RESOURCES } from "../../kube/resources.ts";
import { digestOf } from "../digest.ts";
import { ACCEPTED_LABEL, childName, TERMS_ANNOTATION } from "../names.ts";
import type { ObservedProxy, ObservedRevision } from "../world.ts";
import { childOf, type DesiredObject } from "./desired.ts";
import { type Kept, type Terms, termsText } from "./terms.ts";

/*
 * The last accepted spec of a QuicProxy is kept in a ControllerRevision of its own, as DaemonSets keep their past
 * templates: it stays in force, whatever is written into the QuicProxy and whatever becomes of the operator.
 */

/** The latest of what was accepted of this QuicProxy; one of the same name before it is another. */
export function lastAccepted(
  { uid }: ObservedProxy,
  revisions: readonly ObservedRevision[],
): ObservedRevision | undefined {
  const own = revisions.filter(({ ownerUid }) => ownerUid === uid);
  return own.sort((a, b) => b.revision - a.revision || (a.name < b.name ? -1 : 1))[0];
}

export interface RevisionPlan {
  readonly desired: DesiredObject;
  /** Names of those that it replaces. */
  readonly surplus: readonly string[];
}

/** The record of a spec that is accepted now. What it holds cannot be changed (apps/v1), so its name has the digest. */
export function planRevision(
  proxy: ObservedProxy,
  { spec, terms }: Kept,
  revisions: readonly ObservedRevision[],
): RevisionPlan {
  const name = revisionName(proxy, spec);
  const latest = lastAccepted(proxy, revisions);
  const revision = latest === undefined ? 1 : latest.name === name ? latest.revision : latest.revision + 1;
  const desired = recordOf(proxy, { name, revision, data: spec, terms });
  return { desired, surplus: revisions.map((each) => each.name).filter((each) => each !== name) };
}

/**
 * The record of what goes on though the present spec is refused, with the terms that its class leaves it; undefined: none is
 * kept, or it is of before there were classes.
 */
export function planTerms(
  proxy: ObservedProxy,
  terms: Terms | undefined,
  revisions: readonly ObservedRevision[],
): RevisionPlan | undefined {
  const latest = lastAccepted(proxy, revisions);
  if (latest?.terms === undefined) return undefined;
  return { desired: recordOf(proxy, { ...latest, terms }), surplus: [] };
}

interface Recorded {
  readonly name: string;
  readonly revision: number;
  readonly data: unknown;
  readonly terms: Terms | undefined;
}

function recordOf(proxy: ObservedProxy, { name, revision, data, terms }: Recorded): DesiredObject {
  const labels = { [ACCEPTED_LABEL]: "true" };
  const annotations = terms === undefined ? {} : { [TERMS_ANNOTATION]: termsText(terms) };
  const { controllerRevisions } = RESOURCES;
  return childOf(proxy, { resource: controllerRevisions, name, labels, annotations, content: { data, revision } });
}

export function revisionName({ name, uid }: ObservedProxy, spec: QuicProxySpec): string {
  return `${childName(name)}-accepted-${digestOf({ uid, spec })}`;
}

/**
 * The spec of a revision. Another version of the operator may have written it: what this one would refuse stays as it was
 * accepted, and what it did not know gets its default. Undefined: it is no spec at all.
 */
export function specOf(revision: ObservedRevision | undefined): QuicProxySpec | undefined {
  if (revision === undefined || !isMapping(revision.data)) return undefined;
  const parsed = specShape.safeParse(revision.data);
  if (parsed.success) return parsed.data;
  const { listeners, backends } = revision.data;
  if (!Array.isArray(listeners) || !isMapping(backends)) return undefined;
  return merge(specShape.parse({ listeners: [{ port: 1 }], backends: {} }), revision.data) as QuicProxySpec;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function merge(defaults: unknown, value: unknown): unknown {
  if (!isMapping(defaults) || !isMapping(value)) return value;
  const merged = Object.entries(value).map(([key, part]) => [key, merge(defaults[key], part)]);
  return { ...defaults, ...Object.fromEntries(merged) };
}
