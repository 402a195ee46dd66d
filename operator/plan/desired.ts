import type { KubernetesObject, ObjectMeta } from "../../kube/objects.ts";
import { apiVersionOf, RESOURCES, type Resource } from "../../kube/resources.ts";
import { digestOf } from "../digest.ts";
import { APPLIED_ANNOTATION, childLabels } from "../names.ts";
import type { ObservedProxy } from "../world.ts";
import type { CapabilityLevel } from "./capabilities.ts";

/** An object as it should be: everything in it is the operator's, and what it no longer names goes. */
export interface DesiredObject {
  readonly resource: Resource;
  readonly object: KubernetesObject;
}

/** How the operator runs its proxies, where their class says nothing else. */
export interface PodOptions {
  readonly image: string;
  readonly imagePullPolicy: "Always" | "IfNotPresent" | "Never";
  readonly imagePullSecrets: readonly string[];
  readonly priorityClass: string | undefined;
  /** No class gives more. */
  readonly capabilities: CapabilityLevel;
  /** The only one that the image is for; undefined: it is for all that the nodes have. */
  readonly architecture: string | undefined;
}

interface ChildInputs {
  readonly resource: Resource;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly content: object;
}

/** A child of a QuicProxy: labelled, owned, so that it goes with it, and marked with the digest of its intent. */
export function childOf(
  proxy: ObservedProxy,
  { resource, name, labels, annotations, content }: ChildInputs,
): DesiredObject {
  const metadata = {
    name,
    namespace: proxy.namespace,
    labels: { ...childLabels(proxy.name), ...labels },
    annotations: { ...annotations, [APPLIED_ANNOTATION]: digestOf(content) },
    ownerReferences: [ownerReference(proxy)],
  } as ObjectMeta;
  const object = { apiVersion: apiVersionOf(resource), kind: resource.kind, metadata, ...content };
  return { resource, object };
}

/** Not blocking: to block the owner's deletion needs a right on its finalizers, and nothing here has to wait. */
function ownerReference({ name, uid }: ObservedProxy): object {
  const { quicProxies } = RESOURCES;
  return {
    apiVersion: apiVersionOf(quicProxies),
    kind: quicProxies.kind,
    name,
    uid,
    controller: true,
    blockOwnerDeletion: false,
  };
}
