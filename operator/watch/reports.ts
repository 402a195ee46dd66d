import { isDeepStrictEqual } from "node:util";
import type { QuicProxyNodeStatus } from "../../crds/status_schema.ts";
import type { Change } from "../../kube/informer.ts";
import type { ObservedNodeObject } from "../world.ts";

/** Reports of many nodes are one piece of work. */
const STATES_SETTLE_MS = 250;
/** Sums of measured numbers are not written more often. */
const NUMBERS_SETTLE_MS = 10_000;

/** How long what a node reports may wait for what others report; undefined: it is no report. */
export function reportSettleMs({ value, before }: Change<ObservedNodeObject>): number | undefined {
  if (value === undefined || before === undefined) return undefined;
  const { status, reportedAt: _, ...rest } = value;
  const { status: statusBefore, reportedAt: __, ...restBefore } = before;
  if (rest.digest !== restBefore.digest || !isDeepStrictEqual(rest, restBefore)) return undefined;
  return isDeepStrictEqual(stateOf(status), stateOf(statusBefore)) ? NUMBERS_SETTLE_MS : STATES_SETTLE_MS;
}

function stateOf({ rates: _, backendHealth: __, ...state }: QuicProxyNodeStatus): object {
  return state;
}
