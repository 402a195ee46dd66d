import type { BackendSet } from "../../crds/backends_schema.ts";

/** How long the loss of most backends is held that nobody saw go. */
export const HOLD_MS = 60_000;
const HELD_SHARE = 0.5;

/**
 * Why a set of backends should wait, or undefined: it takes new flows away from more than half of the backends that get
 * them, and the operator did not see them go. A list that came back short after an outage looks like that; so does a real
 * loss while the operator was away, so it is held for a time only.
 */
export function massRemoval(inForce: BackendSet, next: BackendSet): string | undefined {
  if (next.removals === "Observed") return undefined;
  const before = servingOf(inForce);
  const after = servingOf(next);
  const gone = [...before].filter((backend) => !after.has(backend)).length;
  if (before.size === 0 || gone <= before.size * HELD_SHARE) return undefined;
  return `${gone} of ${before.size} backends are gone without having been seen to go; held for ${HOLD_MS / 1000} s`;
}

function servingOf({ backends }: BackendSet): ReadonlySet<string> {
  return new Set(backends.flatMap(({ address, port, weight }) => (weight > 0 ? [`${address} ${port}`] : [])));
}
