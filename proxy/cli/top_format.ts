import { stripVTControlCharacters } from "node:util";
import Table from "cli-table3";

const UNITS = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
] as const;
const EXACT_MAX = 1e6;
const THREE_DIGITS = 3;

/** `0`, `0.4`, `12,345`, `1.23M`: exact below a million, three digits above. */
export function formatCount(value: number): string {
  for (const [unit, suffix] of UNITS) {
    if (value >= unit) return `${(value / unit).toPrecision(THREE_DIGITS)}${suffix}`;
  }
  if (value > 0 && value < 10 && !Number.isInteger(value)) return value.toFixed(1);
  return Math.round(Math.min(value, EXACT_MAX)).toLocaleString("en-US");
}

/** Bytes with a decimal unit, as network rates are given: `1.23 MB`. */
export function formatBytes(value: number): string {
  if (value < 1000) return `${Math.round(value)} B`;
  for (const [unit, suffix] of UNITS) {
    if (value >= unit) return `${(value / unit).toPrecision(THREE_DIGITS)} ${suffix}B`;
  }
  return `${(value / 1000).toPrecision(THREE_DIGITS)} kB`;
}

const DURATIONS = [
  [1e9, "s"],
  [1e6, "ms"],
  [1e3, "us"],
] as const;

/** Nanoseconds with two digits: `850ns`, `1.2us`, `34us`, `1.8s`. */
export function formatDuration(ns: number): string {
  const rounded = Number(ns.toPrecision(2));
  const [unit, suffix] = DURATIONS.find(([least]) => rounded >= least) ?? [1, "ns"];
  const value = rounded / unit;
  return `${value < 10 && unit > 1 ? value.toFixed(1) : Math.round(value).toLocaleString("en-US")}${suffix}`;
}

/** The two largest units: `45s`, `3m05s`, `2h07m`, `4d06h`. */
export function formatUptime(uptimeMs: number): string {
  const seconds = Math.floor(uptimeMs / 1000);
  const pad = (value: number): string => String(value).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (minutes === 0) return `${seconds}s`;
  if (hours === 0) return `${minutes}m${pad(seconds % 60)}s`;
  if (hours < 24) return `${hours}h${pad(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d${pad(hours % 24)}h`;
}

const NO_BORDER = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "  ",
};

/** A table without borders as lines; the first `textColumns` columns are texts, the others numbers. */
export function tableLines(head: readonly string[], rows: readonly (readonly string[])[], textColumns = 1): string[] {
  const table = new Table({
    chars: NO_BORDER,
    colAligns: head.map((_, column) => (column < textColumns ? "left" : "right")),
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  table.push([...head], ...rows.map((row) => [...row]));
  return table.toString().split("\n");
}

/** Cuts a line to the terminal; a line that is too long loses its colours rather than its end sequence. */
export function fitLine(line: string, width: number): string {
  const plain = stripVTControlCharacters(line);
  if (plain.length <= width) return line;
  return width > 1 ? `${plain.slice(0, width - 1)}…` : plain.slice(0, width);
}
