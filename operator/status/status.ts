import type { QuicProxyStatus } from "../../crds/status_schema.ts";
import { APP_NAME, NAME_LABEL, PROXY_LABEL } from "../names.ts";
import { type CapabilityLevel, lesserLevel } from "../plan/capabilities.ts";
import type { Decision } from "../plan/decide.ts";
import type { RolloutProgress } from "../rollout/progress.ts";
import type { ObservedProxy, World } from "../world.ts";
import { absenceOfPods } from "./absence.ts";
import { judge, toConditions } from "./conditions.ts";
import { fewestHealthy, nodeStates, sumReports } from "./nodes.ts";
import { withPortHolders } from "./port_holder.ts";

export interface StatusInputs {
  readonly decision: Decision;
  readonly applyError: string | undefined;
  /** How much of the kernel proxies are given at most. */
  readonly capabilities: CapabilityLevel;
  /** Undefined: nothing is rolled out. */
  readonly rollout?: RolloutProgress | undefined;
  /** The present time, RFC 3339. */
  readonly now: string;
}

/** The status of a QuicProxy as the world has it. Pure: the same world gives the same status. */
export function planStatus(
  world: World,
  proxy: ObservedProxy,
  { decision, applyError, rollout, capabilities, now }: StatusInputs,
): QuicProxyStatus {
  const { namespace, name, generation } = proxy;
  const { inForce } = decision;
  const wanted = inForce && new Set(inForce.nodes.chosen);
  const objects = world.nodeObjects(namespace, name).filter(({ nodeName }) => wanted?.has(nodeName) ?? true);
  const backends = world.backendObject(namespace, name)?.index?.generation;
  const reported = nodeStates({
    objects,
    pods: world.pods(namespace, name),
    absence: absenceOfPods(world, proxy),
    backends,
    capabilities: lesserLevel(inForce?.terms?.capabilities ?? capabilities, capabilities),
  });
  const states = inForce === undefined ? reported : withPortHolders(world, proxy, inForce.spec, reported);
  const verdicts = judge({ decision, states, applyError, rollout });
  const desired = inForce?.nodes.chosen.length ?? decision.asked ?? states.length;
  const ready = states.filter((state) => state.ready).length;
  return {
    observedGeneration: generation,
    conditions: toConditions(verdicts, proxy.status.conditions ?? [], { generation, now }),
    nodes: {
      desired,
      programmed: states.filter(({ programmed }) => programmed).length,
      ready,
      summary: isUnreadable(decision) ? "-" : `${ready}/${desired}`,
    },
    ...(inForce?.terms === undefined ? {} : { className: inForce.terms.className }),
    ...(inForce === undefined ? {} : { backends: countBackends(inForce.resolved.backends, fewestHealthy(states)) }),
    ...sumReports(states),
    selector: `${NAME_LABEL}=${APP_NAME},${PROXY_LABEL}=${name}`,
  };
}

/** Of a spec that cannot be read nobody knows how many nodes it asks for. */
function isUnreadable({ inForce, asked }: Decision): boolean {
  return inForce === undefined && asked === undefined;
}

function countBackends(
  backends: readonly { readonly weight: number }[],
  fewest: number | undefined,
): NonNullable<QuicProxyStatus["backends"]> {
  const serving = backends.filter(({ weight }) => weight > 0).length;
  const counts = { serving, draining: backends.length - serving };
  if (fewest === undefined) return { ...counts, summary: `${serving}` };
  // A node that does not have the present backends yet counts others.
  const healthy = Math.min(fewest, serving);
  return { ...counts, healthy, summary: `${healthy}/${serving}` };
}
