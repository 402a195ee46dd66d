/*
 * When watching drops would cost too much: each costs some 0.4 us of CPU more, so that 200,000 a second take a twelfth of a
 * core. Then what was seen until now is extrapolated.
 */

export const STORM_EVENTS_PER_SECOND = 200_000;
export const STORM_CHECK_MS = 100;
/** In a storm, a window ends after that. */
export const STORM_LIMIT_MS = 1_000;

interface Check {
  readonly events: number;
  readonly atMs: number;
}

/** Between two checks. */
export function eventsPerSecond(before: Check, now: Check): number {
  return ((now.events - before.events) * 1000) / Math.max(1, now.atMs - before.atMs);
}
