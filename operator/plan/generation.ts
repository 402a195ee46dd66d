const CLOCK_SKEW_MAX_MS = 24 * 3_600_000;

interface Before {
  readonly generation: number;
  readonly isUnchanged: boolean;
}

/**
 * Unchanged content keeps its generation. New content gets the next one, but at least the present time in milliseconds:
 * an object that was deleted, or comes from an old backup, must not start below what a node already runs.
 */
export function nextGeneration(before: Before | undefined, applied: readonly number[], nowMs: number): number {
  const believed = applied.filter((generation) => isCredible(generation, nowMs));
  const highest = believed.reduce((most, each) => Math.max(most, each), 0);
  if (before === undefined) return Math.max(nowMs, highest + 1);
  if (before.isUnchanged && highest <= before.generation) return before.generation;
  return Math.max(before.generation + 1, highest + 1, nowMs);
}

/**
 * Whether an operator can have asked for a generation: it is a time, or a little more. One node's nonsense must not make a
 * generation that no number, or no other node, comes after.
 */
function isCredible(generation: number, nowMs: number): boolean {
  return generation <= nowMs + CLOCK_SKEW_MAX_MS;
}
