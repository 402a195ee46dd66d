import type { QuicProxyNodeSpec } from "../../crds/node_schema.ts";
import type { PlannedBackend } from "../apply/plan.ts";

/** How long the loss of most backends is held that nobody saw go. */
export const HOLD_MS = 60_000;
const HELD_SHARE = 0.5;

/**
 * Why a configuration should wait, or undefined: it takes away more than half of the backends that get new flows, and
 * the operator did not see them go. A list that came back short after an outage looks like that; so does a real loss
 * while the operator was away, so it is held for a time only.
 */
export function massRemoval(inForce: readonly PlannedBackend[], next: QuicProxyNodeSpec): string | undefined {
  if (next.removals === "Observed") return undefined;
  const serving = inForce.filter(({ weight }) => weight > 0);
  const present = new Set((next.intent.backends.static ?? []).map(({ address, port }) => `${address} ${port}`));
  const gone = serving.filter(({ address, port }) => !present.has(`${address} ${port}`)).length;
  if (serving.length === 0 || gone <= serving.length * HELD_SHARE) return undefined;
  return `${gone} of ${serving.length} backends are gone without having been seen to go; held for ${HOLD_MS / 1000} s`;
}
