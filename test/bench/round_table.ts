import Table from "cli-table3";
import { type Measurement, type Setting, tolerableLoss } from "./measure.ts";
import type { RoundValue } from "./ratio.ts";
import { renderSpread, spreadOf } from "./spread.ts";

export function renderSetting({ flows, burst, train }: Setting): string {
  const arrivals = burst === 1 ? "evenly spaced" : `${burst} at a time`;
  return `${flows} flows, ${train === 1 ? arrivals : `trains of ${train}`}`;
}

export function underSetting(all: readonly Measurement[], { flows, burst, train }: Setting): Measurement[] {
  return all.filter((one) => one.flows === flows && one.burst === burst && one.train === train);
}

/**
 * CPU per round trip of the process of each contender in each round. A round trip that was lost cost CPU too, but not
 * as much as a whole one: rounds with losses are no measure.
 */
export function processCost(all: readonly Measurement[]): RoundValue[] {
  return all.map(({ contender, round, processUs, loss }) => ({
    contender,
    round,
    value: loss <= tolerableLoss ? processUs : undefined,
  }));
}

export type Column<Row> = readonly [title: string, value: (one: Row) => number, digits: number];

export const roundTripColumns: readonly Column<Measurement>[] = [
  ["proxy CPU us", ({ processUs }) => processUs, 2],
  ["of it workers", ({ workersUs }) => workersUs, 2],
  ["with load and echo", ({ togetherUs }) => togetherUs, 1],
  ["machine CPU us", ({ machineUs }) => machineUs, 1],
  ["lost %", ({ loss }) => 100 * loss, 3],
  ["p50 us", ({ p50Us }) => p50Us, 0],
  ["p99 us", ({ p99Us }) => p99Us, 0],
];

const noLine = { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" };

/** A table in the form that all of the benchmark's have. */
export function drawTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    style: { head: [], border: [] },
    chars: noLine,
    head: [...head],
    colAligns: head.map((_, index) => (index === 0 ? "left" : "right")),
  });
  for (const row of rows) table.push([...row]);
  return table.toString();
}

/** One line per contender: minimum, median and maximum over the rounds. */
export function renderRounds<Row extends { contender: string }>(
  title: string,
  all: readonly Row[],
  columns: readonly Column<Row>[],
): string {
  const names = [...new Set(all.map(({ contender }) => contender))];
  const lines = names.map((name) => {
    const rows = all.filter(({ contender }) => contender === name);
    return [name, ...columns.map(([, value, digits]) => renderSpread(spreadOf(rows.map(value)), digits))];
  });
  return drawTable([title, ...columns.map(([column]) => column)], lines);
}
