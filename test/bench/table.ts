import Table from "cli-table3";
import { type Measurement, type Setting, tolerableLoss } from "./measure.ts";

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
  /** Those in which neither lost more than is tolerable, of all; without any the spread is not a number. */
  rounds: { compared: number; of: number };
}

/**
 * Process CPU per round trip of one contender over that of another, each round compared with itself. A round trip that
 * was lost cost CPU too, but not as much as a whole one: rounds with losses are no measure and are left out.
 */
export function ratioOf(all: readonly Measurement[], [of, to]: readonly [string, string], setting: Setting): Ratio {
  const under = underSetting(all, setting);
  const ours = under.filter(({ contender }) => contender === of);
  const ratios = ours.flatMap(({ round, processUs, loss }) => {
    const theirs = under.find((one) => one.contender === to && one.round === round);
    if (theirs === undefined) throw new Error(`${to} was not measured in round ${round}`);
    return Math.max(loss, theirs.loss) <= tolerableLoss ? [processUs / theirs.processUs] : [];
  });
  const spread = ratios.length > 0 ? spreadOf(ratios) : { min: Number.NaN, median: Number.NaN, max: Number.NaN };
  return { of, to, ...setting, ...spread, rounds: { compared: ratios.length, of: ours.length } };
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
  const { compared, of } = ratio.rounds;
  const values = compared > 0 ? renderSpread(ratio, 2) : "every round lost datagrams";
  const note = compared > 0 && compared < of ? ` (${compared} of ${of} rounds; the others lost datagrams)` : "";
  return `${ratio.of} / ${ratio.to}, ${renderSetting(ratio)}: ${values}${note}`;
}
