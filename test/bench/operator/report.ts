import { type Figure, renderFigures } from "../aims.ts";
import { drawTable } from "../round_table.ts";
import { spreadOf } from "../spread.ts";
import type { Changes } from "./endpoint_changes.ts";
import { totalOf } from "./operator_process.ts";
import type { Seen } from "./probe.ts";

/** One part of the benchmark. */
export interface Phase {
  readonly name: string;
  /** Until what was asked for held. */
  readonly seconds: number;
  readonly lastedMs: number;
  readonly seen: Seen;
  readonly changes?: Changes;
}

const HEAD = ["", "s", "longest gap ms", "(of it CPU)", "most CPU in a gap ms", "CPU %", "writes", "kB", "max RSS MiB"];

export function renderPhases(phases: readonly Phase[]): string {
  const rows = phases.map(({ name, seconds, lastedMs, seen }) => {
    const { gap, work, cpuMs, maxRssMib } = seen;
    const { count, octets } = totalOf(seen);
    return [
      name,
      seconds.toFixed(2),
      gap.wallMs.toFixed(0),
      gap.cpuMs.toFixed(0),
      work.cpuMs.toFixed(0),
      ((100 * cpuMs) / lastedMs).toFixed(0),
      String(count),
      (octets / 1000).toFixed(1),
      maxRssMib.toFixed(0),
    ];
  });
  return drawTable(HEAD, rows);
}

/** The aims, and what the phases say about them. The first phase is the cold start. */
export function renderAims(phases: readonly Phase[]): string {
  const of = (value: (phase: Phase) => number) => spreadOf(phases.map(value));
  const highest = (value: (phase: Phase) => number) => spreadOf([of(value).max]);
  const aim = (name: string, most: number, unit: string, measured: Figure["measured"]): Figure => {
    return { name, aim: { most }, unit, digits: 1, measured };
  };
  const changes = phases.flatMap(({ name, changes: each }) => (each === undefined ? [] : [{ name, ...each }]));
  return renderFigures([
    ...changes.flatMap(({ name, milliseconds, p99, octets }) => [
      { ...aim(`${name}: to the new index`, 1000, "ms", milliseconds), digits: 0 },
      { ...aim(`${name}: 99th percentile`, 1000, "ms", spreadOf([p99])), digits: 0 },
      aim(`${name}: written for one`, 100_000, "octets", octets),
    ]),
    aim("cold start to steady", 30, "s", spreadOf([phases[0]!.seconds])),
    aim(
      "most CPU without a turn of the event loop",
      50,
      "ms",
      highest(({ seen }) => seen.work.cpuMs),
    ),
    aim(
      "resident, at most",
      256,
      "MiB",
      highest(({ seen }) => seen.maxRssMib),
    ),
  ]);
}
