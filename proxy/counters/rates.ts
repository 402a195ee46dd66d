/**
 * What was counted between two readings of one counter. A reading below the one before it means that the counter
 * started again from zero (the proxy restarted): then all that it shows is new.
 */
export function counterDelta(previous: number, current: number): number {
  return current >= previous ? current - previous : current;
}

/** Per second; 0 when no time passed. */
export function counterRate(previous: number, current: number, elapsedMs: number): number {
  return elapsedMs > 0 ? (counterDelta(previous, current) * 1000) / elapsedMs : 0;
}

/** The change of every counter of `current`; one that `previous` lacks counts from zero. */
export function counterDeltas<Name extends string>(
  previous: Partial<Record<Name, number>>,
  current: Record<Name, number>,
): Record<Name, number> {
  return mapCounters(current, (name, value) => counterDelta(previous[name] ?? 0, value));
}

/** The rate per second of every counter of `current`; one that `previous` lacks counts from zero. */
export function counterRates<Name extends string>(
  previous: Partial<Record<Name, number>>,
  current: Record<Name, number>,
  elapsedMs: number,
): Record<Name, number> {
  return mapCounters(current, (name, value) => counterRate(previous[name] ?? 0, value, elapsedMs));
}

function mapCounters<Name extends string>(
  counters: Record<Name, number>,
  change: (name: Name, value: number) => number,
): Record<Name, number> {
  const names = Object.keys(counters) as Name[];
  return Object.fromEntries(names.map((name) => [name, change(name, counters[name])])) as Record<Name, number>;
}
