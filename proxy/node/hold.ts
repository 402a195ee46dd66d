import type { BackendSet } from "../../crds/backends_schema.ts";

/** How long the loss of most backends is held that nobody saw go. */
export const HOLD_MS = 60_000;
const HELD_SHARE = 0.5;

/**
 * Why a set of backends should wait, or undefined: it takes new flows away from more than half of the backends that get
 * them, the operator did not see them go, and others did not come in their place. A list that came back short after an
 * outage looks like that; so does a real loss while the operator was away, so it is held for a time only. A rollout while
 * the operator was away does not: to hold that would send new flows to where nobody is.
 */
export function massRemoval(inForce: BackendSet, next: BackendSet): string | undefined {
  if (next.removals === "Observed") return undefined;
  const before = servingOf(inForce);
  const after = servingOf(next);
  const gone = [...before].filter((backend) => !after.has(backend)).length;
  const isShort = after.size < before.size * HELD_SHARE;
  if (!isShort || gone <= before.size * HELD_SHARE) return undefined;
  return `${gone} of ${before.size} backends are gone without having been seen to go; held for ${HOLD_MS / 1000} s`;
}

function servingOf({ backends }: BackendSet): ReadonlySet<string> {
  return new Set(backends.flatMap(({ address, port, weight }) => (weight > 0 ? [`${address} ${port}`] : [])));
}
