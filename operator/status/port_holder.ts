import { lastAccepted, specOf } from "../plan/accepted.ts";
import { type Claim, portConflicts } from "../plan/claims.ts";
import type { ObservedProxy, World } from "../world.ts";
import type { NodeState } from "./nodes.ts";

/** What a node says that finds its port taken: it knows that somebody has it, and not who. */
const PORT_BUSY = "ListenPortBusy";

/**
 * Names the QuicProxy whose pod on the same node has the port that this one lacks, in the way of what the node says; where there
 * is none, it is another program. Pure.
 */
export function withPortHolders(
  world: World,
  { key }: ObservedProxy,
  spec: Claim["spec"],
  states: readonly NodeState[],
): readonly NodeState[] {
  return states.map((state) => {
    if (state.trouble?.reason !== PORT_BUSY) return state;
    const nodes = new Set([state.nodeName]);
    const [conflict] = portConflicts({ key, spec, nodes }, claimsOn(world, state.nodeName));
    return conflict === undefined
      ? state
      : { ...state, trouble: { ...state.trouble, message: conflict.refusal.message } };
  });
}

/** The ports of each QuicProxy that has a pod on a node. */
function claimsOn(world: World, nodeName: string): Claim[] {
  return world.proxies.flatMap((proxy) => {
    const { key, namespace, name } = proxy;
    if (!world.pods(namespace, name).some((pod) => pod.nodeName === nodeName)) return [];
    const spec = specOf(lastAccepted(proxy, world.revisions(namespace, name)));
    return spec === undefined ? [] : [{ key, spec, nodes: new Set([nodeName]) }];
  });
}
