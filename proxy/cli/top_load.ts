import type pc from "picocolors";
import type { CountersReport } from "../metrics/report.ts";
import { type Quantiles, workerQuantiles } from "../timing/durations.ts";
import { type WorkerLoad, workerLoads } from "../timing/load.ts";
import { formatCount, formatDuration } from "./top_format.ts";

type Colors = ReturnType<typeof pc.createColors>;

/** From here on there is little to spare for a burst. */
const NEARLY_FULL = 0.8;

function paintRho(rho: number, text: string, colors: Colors): string {
  if (rho >= 1) return colors.red(text);
  return rho >= NEARLY_FULL ? colors.yellow(text) : text;
}

function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

function loadCells({ busyShare, rho }: { busyShare: number; rho: number }, colors: Colors): string[] {
  return [percent(busyShare), paintRho(rho, rho.toFixed(2), colors)];
}

function durationCells({ p50Ns, p99Ns }: Quantiles): string[] {
  return [p50Ns, p99Ns].map((ns) => (ns === undefined ? "-" : formatDuration(ns)));
}

/** What to know of workers that do not keep up, one line each. */
function overloadLine({ surplusPerSecond, overflowSeconds, bufferSeconds }: WorkerLoad, worker: number): string[] {
  if (overflowSeconds === undefined || bufferSeconds === undefined) return [];
  const fullIn =
    overflowSeconds === 0 ? "its socket buffer overflows" : `its buffer is full in ${seconds(overflowSeconds)}`;
  return [
    `worker ${worker} gets ${formatCount(surplusPerSecond)} datagrams a second more than it takes: ${fullIn}; ` +
      `an empty one would last ${seconds(bufferSeconds)}`,
  ];
}

function seconds(value: number): string {
  return formatDuration(value * 1e9);
}

export interface LoadColumns {
  head: readonly string[];
  /** Cells by worker, under these heads. */
  rows: readonly (readonly string[])[];
  /** To be shown beneath. */
  notes: readonly string[];
}

/** How busy the packet threads are, for the table of workers. Pure. */
export function loadColumns(
  previous: CountersReport | undefined,
  current: CountersReport,
  colors: Colors,
): LoadColumns {
  const loads = workerLoads(previous, current);
  const isDecoupled = loads.some(({ receiver }) => receiver !== undefined);
  return {
    head: ["busy", "rho", ...(isDecoupled ? ["rx busy", "rx rho"] : []), "p50", "p99"],
    rows: loads.map((load, worker) => [
      ...loadCells(load, colors),
      ...(load.receiver === undefined ? [] : loadCells(load.receiver, colors)),
      ...durationCells(workerQuantiles(previous, current, worker)),
    ]),
    notes: loads.flatMap(overloadLine).map(colors.red),
  };
}
