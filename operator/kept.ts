import type { KubernetesObject } from "../kube/objects.ts";
import { RESOURCES } from "../kube/resources.ts";
import { isAsApplied } from "./diff.ts";
import { digestOf } from "./digest.ts";
import { APPLIED_ANNOTATION } from "./names.ts";
import type { DesiredObject } from "./plan/desired.ts";
import { contentDigest } from "./plan/node_objects.ts";
import { projectChild } from "./watch/project.ts";
import type { World } from "./world.ts";

/*
 * Whether the API server kept what was applied, and digests to know an answer again.
 */

const CHILD_KINDS: ReadonlySet<string> = new Set(["DaemonSet", "ServiceAccount", "Role", "RoleBinding"]);

type NodeSpec = Parameters<typeof contentDigest>[0];

function specDigest(object: KubernetesObject): string {
  return contentDigest((object as unknown as { spec: NodeSpec }).spec);
}

/** What is asked for, whatever generation it has. */
export function intentOf(object: KubernetesObject): string {
  if (object.kind === RESOURCES.quicProxyNodes.kind) return specDigest(object);
  return object.metadata.annotations?.[APPLIED_ANNOTATION] ?? "";
}

export function answerDigest({ resource }: DesiredObject, answer: KubernetesObject): string {
  if (resource === RESOURCES.quicProxyNodes) return specDigest(answer);
  const child = projectChild(answer);
  return child === undefined ? "" : writtenDigest(child);
}

/** Other kinds are compared by what this version knows of them. */
export function isKept({ resource, object }: DesiredObject, answer: KubernetesObject): boolean {
  if (resource === RESOURCES.quicProxyNodes) return specDigest(object) === specDigest(answer);
  return !CHILD_KINDS.has(resource.kind) || isAsApplied(answer, object);
}

/** Undefined: there is no such object, or it is never answered otherwise. */
export function observedDigest({ resource, object }: DesiredObject, world: World): string | undefined {
  const { namespace = "", name } = object.metadata;
  if (resource === RESOURCES.quicProxyNodes) return world.nodeObject(namespace, name)?.digest;
  const child = world.child(resource.kind, namespace, name);
  return child && writtenDigest(child);
}

/** Not part of what somebody wrote: the API server counts it, or a list says it once for all its items. */
const NOT_WRITTEN: ReadonlySet<string> = new Set([
  "apiVersion",
  "kind",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  // Of an object: as far as a controller has read it.
  "status",
]);

function writtenDigest({ metadata, ...rest }: KubernetesObject): string {
  const written = (part: object): object =>
    Object.fromEntries(Object.entries(part).filter(([key]) => !NOT_WRITTEN.has(key)));
  return digestOf([written(metadata), written(rest)]);
}
