import { type QuicProxyNodeStatus, UNKNOWN } from "../../crds/status_schema.ts";
import { childName } from "../names.ts";
import { accountOf, isOlderThan } from "../rollout/account.ts";
import { SILENT_AFTER_MS } from "../watch/heartbeats.ts";
import type { ObservedNodeObject, ObservedPod, ObservedProxy, World } from "../world.ts";
import { absenceOfPods } from "./absence.ts";
import { NOT_REPORTING } from "./nodes.ts";

/** What the operator says in the status of a node in place of its proxy. */
export type Silence = Pick<QuicProxyNodeStatus, "readiness" | "reason" | "message">;

/** Pure. No time is in it that goes on: it is written once. */
export function silenceOf(world: World, proxy: ObservedProxy, object: ObservedNodeObject): Silence {
  const last = object.reportedAt === undefined ? "" : ` (last at ${object.reportedAt} by its own clock)`;
  const head = `has not reported for more than ${SILENT_AFTER_MS / 1000} s${last}`;
  return { readiness: UNKNOWN, reason: NOT_REPORTING, message: `${head}: ${causeOf(world, proxy, object)}` };
}

/** The likely cause, the surest first. */
function causeOf(world: World, proxy: ObservedProxy, { nodeName }: ObservedNodeObject): string {
  const { namespace, name } = proxy;
  const node = world.nodes.find((each) => each.name === nodeName);
  if (node === undefined) return "the node is gone";
  if (!node.ready)
    return `the node is NotReady, its kubelet does not report either; see: kubectl describe node ${nodeName}`;
  const pods = world.pods(namespace, name).filter((each) => each.nodeName === nodeName);
  const pod = pods.find(({ ready }) => ready) ?? pods[0];
  if (pod === undefined) return absenceOfPods(world, proxy)!.message;
  if (pod.trouble !== undefined) return `pod ${pod.name}: ${pod.trouble}`;
  const account = accountTrouble(world, proxy, pod);
  if (account !== undefined) return account;
  const log = `kubectl logs -n ${namespace} ${pod.name}`;
  return `pod ${pod.name} runs, but it does not reach the API server or may not write; see: ${log}`;
}

/** A token is of the very ServiceAccount that was there when the pod began, not of one of the same name. */
function accountTrouble(world: World, proxy: ObservedProxy, pod: ObservedPod): string | undefined {
  const { namespace, name } = proxy;
  const account = accountOf(world, proxy);
  if (account === undefined)
    return `ServiceAccount ${childName(name)} is missing: the API server answers 401 to its proxies`;
  if (!isOlderThan(pod, account)) return undefined;
  const remedy = `kubectl delete pod -n ${namespace} ${pod.name}`;
  return (
    `ServiceAccount ${childName(name)} is newer than pod ${pod.name}, whose token is of the one before: the API server ` +
    `answers 401 to it; replace the pod: ${remedy}`
  );
}
