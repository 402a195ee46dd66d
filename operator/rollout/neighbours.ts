import type { ObservedNodeObject, ObservedPod, ObservedProxy, World } from "../world.ts";
import { elapsedMs } from "./elapsed.ts";
import { recordOf } from "./record.ts";

/** One that is away for longer has a trouble of its own, which is nothing to wait for. */
const TRANSIT_MS = 120_000;

/**
 * The proxy of another QuicProxy that is away from a node for a moment: two should not be at once. With it a change of all
 * QuicProxies, as the upgrade of the operator is, takes one proxy of each node at a time. Undefined: there is none. Pure.
 */
export function neighbourInTransit(
  world: World,
  { namespace, name }: Pick<ObservedProxy, "namespace" | "name">,
  nodeName: string,
  nowMs: number,
): string | undefined {
  const others = world
    .nodeObjectsOn(nodeName)
    .filter((object) => object.namespace !== namespace || object.proxy !== name);
  const pods = world.podsOn(nodeName);
  const away = others.find((object) => isInTransit(object, podOf(object, pods), nowMs));
  return away && `waits for the proxy of QuicProxy ${away.namespace}/${away.proxy} there`;
}

function podOf({ namespace, proxy }: ObservedNodeObject, pods: readonly ObservedPod[]): ObservedPod | undefined {
  return pods.find((pod) => pod.namespace === namespace && pod.proxy === proxy && !pod.terminating);
}

function isInTransit({ metadata }: ObservedNodeObject, pod: ObservedPod | undefined, nowMs: number): boolean {
  const record = recordOf(metadata);
  const startedAtMs = record?.replacedAtMs ?? record?.drainedAtMs;
  if (startedAtMs === undefined || elapsedMs(nowMs, startedAtMs) > TRANSIT_MS) return false;
  return pod?.ready !== true || pod.uid === record?.pod;
}
