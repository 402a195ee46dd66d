import { childName } from "../names.ts";
import type { ObservedProxy, World } from "../world.ts";
import type { NodeState } from "./nodes.ts";

export const PODS_REFUSED = "PodsRefused";

/** Why a node that should have a pod of a QuicProxy has none: who refuses it, if somebody said so. Pure. */
export function absenceOfPods(world: World, { namespace, name }: ObservedProxy): NodeState["trouble"] {
  const daemonSet = childName(name);
  const [latest] = [...world.podRefusals(namespace, daemonSet)].sort((a, b) => b.atMs - a.atMs);
  if (latest === undefined) return { reason: "Pending", message: "has no proxy pod yet" };
  const remedy = remedyFor(latest.message, namespace);
  return { reason: PODS_REFUSED, message: `DaemonSet ${daemonSet} cannot make a pod: ${latest.message}${remedy}` };
}

/** What to do about a refusal whose words are known; empty: its words say it, or nobody knows. */
function remedyFor(refusal: string, namespace: string): string {
  if (refusal.includes("violates PodSecurity")) {
    return `; allow it: kubectl label namespace ${namespace} --overwrite pod-security.kubernetes.io/enforce=privileged`;
  }
  const known = REMEDIES.find(({ words }) => words.test(refusal));
  return known === undefined ? "" : `; ${known.remedy}`;
}

/** In the words of the API server's own admission of quotas and limit ranges, and of its validation of pods. */
const REMEDIES: readonly { readonly words: RegExp; readonly remedy: string }[] = [
  {
    words: /failed quota: .*must specify /,
    remedy: "set what it asks for in spec.resources of the QuicProxy, or in resources of its QuicProxyClass",
  },
  {
    words: /exceeded quota: /,
    remedy: "ask for less in spec.resources, select fewer nodes, or raise the ResourceQuota of the namespace",
  },
  {
    words: /must be less than or equal to (cpu|memory) limit|(maximum|minimum) (cpu|memory) usage per /,
    remedy:
      "a LimitRange of the namespace says otherwise: set spec.resources.limits and requests of the QuicProxy within it",
  },
];
