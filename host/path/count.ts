import type { Count } from "./measures.ts";

/** Sum of what is known; undefined where nothing is. */
export function sumOf(counts: readonly Count[]): Count {
  const known = counts.filter((count) => count !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, count) => sum + count, 0);
}

/** `whole` without its known parts, never below 0; undefined where the whole is. */
export function restOf(whole: Count, parts: readonly Count[]): Count {
  return whole === undefined ? undefined : Math.max(0, whole - (sumOf(parts) ?? 0));
}

export function times(count: Count, factor: number): Count {
  return count === undefined ? undefined : Math.round(count * factor);
}

/** The greatest of what is known, 0 where nothing is. */
export function greatest(counts: readonly Count[]): number {
  return counts.reduce<number>((most, count) => Math.max(most, count ?? 0), 0);
}
