import type { QuicProxyStatus } from "../../crds/status_schema.ts";
import { APP_NAME, NAME_LABEL, PROXY_LABEL } from "../names.ts";
import type { Decision } from "../plan/decide.ts";
import type { ObservedProxy, World } from "../world.ts";
import { absenceOfPods } from "./absence.ts";
import { judge, toConditions } from "./conditions.ts";
import { nodeStates, sumReports } from "./nodes.ts";

export interface StatusInputs {
  readonly decision: Decision;
  readonly applyError: string | undefined;
  /** The present time, RFC 3339. */
  readonly now: string;
}

/** The status of a QuicProxy as the world has it. Pure: the same world gives the same status. */
export function planStatus(
  world: World,
  proxy: ObservedProxy,
  { decision, applyError, now }: StatusInputs,
): QuicProxyStatus {
  const { namespace, name, generation } = proxy;
  const { inForce } = decision;
  const wanted = inForce && new Set(inForce.nodes.chosen);
  const objects = world.nodeObjects(namespace, name).filter(({ nodeName }) => wanted?.has(nodeName) ?? true);
  const backends = world.backendObject(namespace, name)?.index?.generation;
  const states = nodeStates({
    objects,
    pods: world.pods(namespace, name),
    absence: absenceOfPods(world, proxy),
    backends,
  });
  const verdicts = judge({ decision, states, applyError });
  const desired = inForce?.nodes.chosen.length ?? states.length;
  const ready = states.filter((state) => state.ready).length;
  return {
    observedGeneration: generation,
    conditions: toConditions(verdicts, proxy.status.conditions ?? [], { generation, now }),
    nodes: {
      desired,
      programmed: states.filter(({ programmed }) => programmed).length,
      ready,
      summary: `${ready}/${desired}`,
    },
    ...(inForce?.terms === undefined ? {} : { className: inForce.terms.className }),
    ...(inForce === undefined ? {} : { backends: countBackends(inForce.resolved.backends) }),
    ...sumReports(states),
    selector: `${NAME_LABEL}=${APP_NAME},${PROXY_LABEL}=${name}`,
  };
}

function countBackends(backends: readonly { readonly weight: number }[]): NonNullable<QuicProxyStatus["backends"]> {
  const serving = backends.filter(({ weight }) => weight > 0).length;
  return { serving, draining: backends.length - serving };
}
