import Table from "cli-table3";
import type { Measurement, Setting } from "./measure.ts";

export interface Spread {
  min: number;
  median: number;
  max: number;
}

/** Of at least one value; the median of an even number of values is the mean of the middle two. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
  return { min: sorted[0]!, median, max: sorted.at(-1)! };
}

function underSetting(all: readonly Measurement[], { flows, burst }: Setting): Measurement[] {
  return all.filter((one) => one.flows === flows && one.burst === burst);
}

export function renderSetting({ flows, burst }: Setting): string {
  return `${flows} flows, ${burst === 1 ? "evenly spaced" : `${burst} at a time`}`;
}

export interface Ratio extends Spread, Setting {
  of: string;
  to: string;
}

/** Process CPU per round trip of one contender over that of another, each round compared with itself. */
export function ratioOf(all: readonly Measurement[], [of, to]: readonly [string, string], setting: Setting): Ratio {
  const under = underSetting(all, setting);
  const ours = under.filter(({ contender }) => contender === of);
  const ratios = ours.map(({ round, processUs }) => {
    const theirs = under.find((one) => one.contender === to && one.round === round);
    if (theirs === undefined) throw new Error(`${to} was not measured in round ${round}`);
    return processUs / theirs.processUs;
  });
  return { of, to, ...setting, ...spreadOf(ratios) };
}

const right = "right" as const;
const noLine = { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" };

type Column = readonly [title: string, value: (one: Measurement) => number, digits: number];

const columns: readonly Column[] = [
  ["proxy CPU us", ({ processUs }) => processUs, 2],
  ["of it workers", ({ workersUs }) => workersUs, 2],
  ["with load and echo", ({ togetherUs }) => togetherUs, 1],
  ["machine CPU us", ({ machineUs }) => machineUs, 1],
  ["lost %", ({ loss }) => 100 * loss, 3],
  ["p50 us", ({ p50Us }) => p50Us, 0],
  ["p99 us", ({ p99Us }) => p99Us, 0],
];

/** One line per contender: minimum, median and maximum over the rounds, per round trip. */
export function renderTable(all: readonly Measurement[], setting: Setting): string {
  const table = new Table({
    style: { head: [], border: [] },
    chars: noLine,
    head: [renderSetting(setting), ...columns.map(([title]) => title)],
    colAligns: ["left", ...columns.map(() => right)],
  });
  const under = underSetting(all, setting);
  for (const name of new Set(under.map(({ contender }) => contender))) {
    const rows = under.filter(({ contender }) => contender === name);
    table.push([name, ...columns.map(([, value, digits]) => renderSpread(spreadOf(rows.map(value)), digits))]);
  }
  return table.toString();
}

function renderSpread({ min, median, max }: Spread, digits: number): string {
  if (max === 0) return "-";
  return [min, median, max].map((value) => value.toFixed(digits)).join(" / ");
}

export function renderRatio(ratio: Ratio): string {
  return `${ratio.of} / ${ratio.to}, ${renderSetting(ratio)}: ${renderSpread(ratio, 2)}`;
}
