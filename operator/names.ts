import { PROXY_LABEL } from "../crds/node_schema.ts";

/** Field manager of everything the operator writes but statuses. */
export const FIELD_MANAGER = "quicproxy-operator";
export const STATUS_FIELD_MANAGER = "quicproxy-operator-status";
export const MANAGED_BY_LABEL = "app.kubernetes.io/managed-by";
export const NAME_LABEL = "app.kubernetes.io/name";
export { PROXY_LABEL };
/** Digest of the object as it was applied; a changed intent is seen even where it only takes fields away. */
export const APPLIED_ANNOTATION = "quicproxy.io/applied";
/** On the ControllerRevision of a spec that was accepted: a DaemonSet's revisions have its pods' labels too. */
export const ACCEPTED_LABEL = "quicproxy.io/accepted";
/** On the same: what its class allowed, for as long as the class does not say otherwise. */
export const TERMS_ANNOTATION = "quicproxy.io/terms";
/** Digest of the settings that a running proxy cannot change: another one rolls the pods. */
export const RESTART_ANNOTATION = "quicproxy.io/restart";
/** For which number of workers the pods were rolled last, and up to which generation of node objects. */
export const WORKERS_ANNOTATION = "quicproxy.io/restarted-for-workers";
/** On the pod template, and so on the pods: digest of the template that they were made of. */
export const TEMPLATE_ANNOTATION = "quicproxy.io/template";
/** Where `kubectl rollout restart` says that it wants other pods. */
export const RESTARTED_AT_ANNOTATION = "kubectl.kubernetes.io/restartedAt";
/** On a QuicProxyNode: which pod was drained or replaced last, what for, and how it did. */
export const ROLLOUT_ANNOTATION = "quicproxy.io/rollout";
/** Labels on nodes are the only thing of ours that garbage collection cannot undo. */
export const NODE_LABELS_FINALIZER = "quicproxy.io/node-labels";
export const APP_NAME = "quicproxy";
/** As whom the operator records events. */
export const CONTROLLER_NAME = "quicproxy.io/operator";
/** Selects every object the operator makes. */
export const MANAGED_SELECTOR = `${MANAGED_BY_LABEL}=${FIELD_MANAGER}`;
export const ACCEPTED_SELECTOR = `${MANAGED_SELECTOR},${ACCEPTED_LABEL}`;

/** Name of the DaemonSet, ServiceAccount, Role and RoleBinding of a QuicProxy. */
export function childName(proxy: string): string {
  return `quicproxy-${proxy}`;
}

export function proxyOfChild(name: string): string {
  return name.replace(/^quicproxy-/, "");
}

/** The Secret that is mounted into the pods of a QuicProxy whether it is there or not, for its QUIC-LB keys. */
export function keysName(proxy: string): string {
  return `${childName(proxy)}-keys`;
}

export function childLabels(proxy: string): Record<string, string> {
  return { [NAME_LABEL]: APP_NAME, [MANAGED_BY_LABEL]: FIELD_MANAGER, [PROXY_LABEL]: proxy };
}

/** The label of the nodes chosen for a QuicProxy whose number of nodes is set. At most 140 characters before the slash. */
export function nodeLabel(namespace: string, proxy: string): string {
  return `${proxy}.${namespace}.quicproxy.io/node`;
}

/** Labels of the nodes that can run the image; `architecture` where it is for one only. */
export function imageLabels(architecture: string | undefined): Record<string, string> {
  const os = { "kubernetes.io/os": "linux" };
  return architecture === undefined ? os : { ...os, "kubernetes.io/arch": architecture };
}
