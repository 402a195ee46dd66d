import { type BackendState, type Observation, type Sample, TRAFFIC_CELLS, type Traffic } from "./state.ts";

const NO_TRAFFIC = Object.fromEntries(TRAFFIC_CELLS.map((cell) => [cell, 0])) as Traffic;

/**
 * The samples of the window and a new one. A trial has so few flows that the window may never hold enough of them to judge
 * by, so what falls out of the window stays as one sample until the trial is over.
 */
export function withSample(
  { samples, onTrial }: BackendState,
  traffic: Observation["traffic"],
  windowMs: number,
  nowMs: number,
): Sample[] {
  const oldestMs = nowMs - windowMs;
  const recent = samples.filter(({ atMs }) => atMs > oldestMs);
  const older = onTrial ? samples.filter(({ atMs }) => atMs <= oldestMs) : [];
  const latest = hasContent(traffic) ? [{ ...traffic, atMs: nowMs }] : [];
  return [...(older.length === 0 ? [] : [{ ...sum(older), atMs: older.at(-1)!.atMs }]), ...recent, ...latest];
}

function hasContent(traffic: Observation["traffic"]): traffic is Traffic {
  return traffic !== undefined && Object.values(traffic).some((count) => count > 0);
}

export function sum(samples: readonly Sample[]): Traffic {
  const total: Record<keyof Traffic, number> = { ...NO_TRAFFIC };
  for (const sample of samples) for (const cell of TRAFFIC_CELLS) total[cell] += sample[cell];
  return total;
}
