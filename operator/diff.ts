import type { KubernetesObject } from "../kube/objects.ts";
import { APPLIED_ANNOTATION, PROXY_LABEL, TERMS_ANNOTATION } from "./names.ts";
import { backendsDigest } from "./plan/backend_objects.ts";
import type { DesiredObject } from "./plan/desired.ts";
import { contentDigest } from "./plan/node_objects.ts";
import type { World } from "./world.ts";

/** Why an object has to be written. */
export type Need = "create" | "update";

/**
 * Whether an object differs from what it should be; undefined: nothing to write. The digest of what was applied last
 * tells where the intent changed, also where it only takes away; the comparison tells where somebody else changed the
 * object. Neither alone sees both.
 */
export function needOf({ resource, object }: DesiredObject, world: World): Need | undefined {
  const { namespace = "", name } = object.metadata;
  if (resource.kind === "QuicProxyNode") return digestNeed(object, world.nodeObject(namespace, name), contentDigest);
  if (resource.kind === "QuicProxyBackends")
    return digestNeed(object, world.backendObject(namespace, name), backendsDigest);
  if (resource.kind === "ControllerRevision") return revisionNeed(object, world);
  const observed = world.child(resource.kind, namespace, name);
  if (observed === undefined) return "create";
  return isAsApplied(observed, object) ? undefined : "update";
}

/** Whether an object holds what was applied, and that was this. */
export function isAsApplied(observed: KubernetesObject, object: KubernetesObject): boolean {
  // A list names its items' kind once, for all of them.
  const { apiVersion: _, kind: __, ...content } = object;
  return isSameIntent(observed.metadata, object.metadata) && covers(observed, content);
}

interface Digested {
  readonly digest: string;
  readonly metadata: KubernetesObject["metadata"];
}

/** Of what is kept as a digest of its spec. */
function digestNeed<Spec>(
  object: KubernetesObject,
  observed: Digested | undefined,
  digestOfSpec: (spec: Spec) => string,
): Need | undefined {
  if (observed === undefined) return "create";
  const { spec } = object as unknown as { spec: Spec };
  const same =
    isSameIntent(observed.metadata, object.metadata) &&
    covers(observed.metadata, object.metadata) &&
    observed.digest === digestOfSpec(spec);
  return same ? undefined : "update";
}

/** The spec that it holds is part of its name, and the API server lets nobody change it. */
function revisionNeed(object: KubernetesObject, world: World): Need | undefined {
  const { namespace = "", name, labels, annotations } = object.metadata;
  const { revision } = object as unknown as { revision: number };
  const observed = world.revisions(namespace, labels?.[PROXY_LABEL] ?? "").find((each) => each.name === name);
  if (observed === undefined) return "create";
  return observed.revision === revision && observed.terms === annotations?.[TERMS_ANNOTATION] ? undefined : "update";
}

function isSameIntent(observed: KubernetesObject["metadata"], desired: KubernetesObject["metadata"]): boolean {
  return observed.annotations?.[APPLIED_ANNOTATION] === desired.annotations?.[APPLIED_ANNOTATION];
}

/**
 * Whether everything of `desired` is in `observed`; lists have the same length, mappings may have more (defaults). The API
 * server leaves out what is empty, or says null.
 */
export function covers(observed: unknown, desired: unknown): boolean {
  if (observed === undefined || observed === null) return observed === desired || isEmpty(desired);
  if (Array.isArray(desired)) {
    if (!Array.isArray(observed) || observed.length !== desired.length) return false;
    return desired.every((part, index) => covers(observed[index], part));
  }
  if (typeof desired !== "object" || desired === null) return Object.is(observed, desired);
  if (typeof observed !== "object") return false;
  return Object.entries(desired).every(([key, part]) => {
    return part === undefined || covers((observed as Record<string, unknown>)[key], part);
  });
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
