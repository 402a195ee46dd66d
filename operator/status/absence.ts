import { childName } from "../names.ts";
import type { ObservedProxy, World } from "../world.ts";
import type { NodeState } from "./nodes.ts";

export const PODS_REFUSED = "PodsRefused";

/** Why a node that should have a pod of a QuicProxy has none: who refuses it, if somebody said so. Pure. */
export function absenceOfPods(world: World, { namespace, name }: ObservedProxy): NodeState["trouble"] {
  const daemonSet = childName(name);
  const [latest] = [...world.podRefusals(namespace, daemonSet)].sort((a, b) => b.atMs - a.atMs);
  if (latest === undefined) return { reason: "Pending", message: "has no proxy pod yet" };
  const remedy = latest.message.includes("violates PodSecurity")
    ? `; allow it: kubectl label namespace ${namespace} --overwrite pod-security.kubernetes.io/enforce=privileged`
    : "";
  return { reason: PODS_REFUSED, message: `DaemonSet ${daemonSet} cannot make a pod: ${latest.message}${remedy}` };
}
