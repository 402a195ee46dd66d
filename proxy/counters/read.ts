import type { TimeHistogram } from "../timing/histogram.ts";
import {
  BACKEND_CELLS,
  type BackendCellName,
  CELLS_PER_TIMING,
  COUNTERS,
  COUNTERS_MAGIC,
  COUNTERS_VERSION,
  type CounterName,
  GAUGES,
  type GaugeName,
  TIMINGS,
  type TimingName,
} from "./names.generated.ts";

export type CounterTotals = Record<CounterName, number>;
export type GaugeValues = Record<GaugeName, number>;
export type BackendCells = Record<BackendCellName, number>;

/** How long a worker's threads have worked, and its sampled datagrams have taken; native/README.md has the words. */
export interface WorkerTimes extends Record<TimingName, TimeHistogram> {
  busyNs: number;
  /** Of the receiving thread in mode Decoupled, 0 in the others. */
  receiverBusyNs: number;
}

export interface WorkerCounters {
  counters: CounterTotals;
  gauges: GaugeValues;
  timing: WorkerTimes;
}

/** A backend slot of the data plane's status: which address the cells of a slot belong to. */
export interface BackendSlot {
  slot: number;
  address: string;
  port: number;
  weight: number;
  active: boolean;
  /** Local addresses that it is reached from. */
  sources: readonly string[];
}

export interface BackendCounters extends BackendCells {
  address: string;
  port: number;
  active: boolean;
  weight: number;
  sources: readonly string[];
}

/**
 * One reading of the shared region. The cells are read one after the other while workers go on counting, so sums
 * across stages may differ by the datagrams that moved meanwhile.
 */
export interface CounterSnapshot {
  /** CLOCK_MONOTONIC: what times of work and counts are compared by. */
  readAtNs: number;
  /** By number; of those that are gone, too: what they counted stays. */
  workers: WorkerCounters[];
  totals: CounterTotals;
  backends: BackendCounters[];
}

export interface CounterReader {
  read(backends: readonly BackendSlot[]): CounterSnapshot;
}

/** The header of native/abi/counters.h: sixteen little-endian 32-bit words. */
interface RegionLayout {
  /** Blocks in use: grows when workers are added and never shrinks. */
  workers: () => number;
  workerCell: number;
  workerStrideCells: number;
  backendSlots: number;
  backendCell: number;
  backendStrideCells: number;
  /** From the first cell of a worker's block. */
  timingCell: number;
  receiverCell: number;
}

const HEADER_WORDS = 16;
const CELL_BYTES = 8;

export class CounterLayoutError extends Error {
  override readonly name = "CounterLayoutError";

  constructor(found: string) {
    super(`the counter region of the addon does not match this version: ${found}; build it again with \`make build\``);
  }
}

function expectWord(what: string, found: number | undefined, expected: number): void {
  if (found !== expected) throw new CounterLayoutError(`${what} is ${found}, expected ${expected}`);
}

function toCells(what: string, bytes: number): number {
  if (bytes % CELL_BYTES !== 0) throw new CounterLayoutError(`${what} ${bytes} is no multiple of ${CELL_BYTES}`);
  return bytes / CELL_BYTES;
}

function readLayout(region: ArrayBuffer): RegionLayout {
  if (region.byteLength < HEADER_WORDS * 4) throw new CounterLayoutError(`${region.byteLength} bytes`);
  const words = new Uint32Array(region, 0, HEADER_WORDS);
  expectWord("magic", words[0], COUNTERS_MAGIC);
  expectWord("version", words[1], COUNTERS_VERSION);
  expectWord("number of counters", words[3], COUNTERS.length);
  expectWord("number of gauges", words[4], GAUGES.length);
  expectWord("number of backend cells", words[8], BACKEND_CELLS.length);
  expectWord("number of timings", words[11], TIMINGS.length);
  expectWord("number of cells of a timing", words[12], CELLS_PER_TIMING);
  const layout = {
    workers: () => words[2]!,
    workerCell: toCells("worker offset", words[5]!),
    workerStrideCells: toCells("worker stride", words[6]!),
    backendSlots: words[7]!,
    backendCell: toCells("backend offset", words[9]!),
    backendStrideCells: toCells("backend stride", words[10]!),
    timingCell: toCells("timing offset", words[13]!),
    receiverCell: toCells("receiver offset", words[14]!),
  };
  const endCell = Math.max(
    layout.workerCell + layout.workers() * layout.workerStrideCells,
    layout.backendCell + layout.workers() * layout.backendStrideCells,
  );
  if (endCell * CELL_BYTES > region.byteLength) throw new CounterLayoutError(`${region.byteLength} bytes are too few`);
  return layout;
}

const ZERO_TOTALS = Object.freeze(Object.fromEntries(COUNTERS.map(({ name }) => [name, 0]))) as CounterTotals;
const ZERO_CELLS = Object.freeze(Object.fromEntries(BACKEND_CELLS.map((name) => [name, 0]))) as BackendCells;

/**
 * A reader over the region that DataPlane.counters() shares; the workers are neither stopped nor slowed by a read.
 * Values are exact up to 2^53. Throws CounterLayoutError when the addon and this version disagree on the layout.
 */
export function openCounters(region: ArrayBuffer, nowNs: () => bigint = process.hrtime.bigint): CounterReader {
  const layout = readLayout(region);
  const cells = new BigUint64Array(region, 0, Math.floor(region.byteLength / CELL_BYTES));
  /** By cell: a thread whose clock moves in ticks may end its work a tick before a reader saw it work. */
  const longestBusy = new Map<number, number>();

  /** native/context/busy_time.h has what the cell holds. */
  function readBusy(cell: number): number {
    const value = BigInt.asIntN(64, cells[cell]!);
    const busyNs = Math.max(longestBusy.get(cell) ?? 0, Number(value < 0n ? value + nowNs() : value));
    longestBusy.set(cell, busyNs);
    return busyNs;
  }

  function readTimes(firstCell: number): WorkerTimes {
    const times = {
      busyNs: readBusy(firstCell + layout.timingCell),
      receiverBusyNs: readBusy(firstCell + layout.receiverCell),
    } as WorkerTimes;
    for (const [index, name] of TIMINGS.entries()) {
      const sumCell = firstCell + layout.timingCell + 1 + index * CELLS_PER_TIMING;
      const counts = Array.from(cells.subarray(sumCell + 1, sumCell + CELLS_PER_TIMING), Number);
      times[name] = { sumNs: Number(cells[sumCell]), counts };
    }
    return times;
  }

  function readWorker(worker: number): WorkerCounters {
    const first = layout.workerCell + worker * layout.workerStrideCells;
    const counters = { ...ZERO_TOTALS };
    for (let index = 0; index < COUNTERS.length; index++) {
      counters[COUNTERS[index]!.name] = Number(cells[first + index]);
    }
    const gauges = {} as GaugeValues;
    for (let index = 0; index < GAUGES.length; index++) {
      gauges[GAUGES[index]!] = Number(cells[first + COUNTERS.length + index]);
    }
    return { counters, gauges, timing: readTimes(first) };
  }

  function readBackend({ slot, address, port, active, weight, sources }: BackendSlot): BackendCounters {
    const sums = { address, port, active, weight, sources, ...ZERO_CELLS };
    if (slot >= layout.backendSlots) return sums;
    for (let worker = 0; worker < layout.workers(); worker++) {
      const first = layout.backendCell + worker * layout.backendStrideCells + slot * BACKEND_CELLS.length;
      for (let index = 0; index < BACKEND_CELLS.length; index++) {
        sums[BACKEND_CELLS[index]!] += Number(cells[first + index]);
      }
    }
    return sums;
  }

  return {
    read(backends: readonly BackendSlot[]): CounterSnapshot {
      const workers = Array.from({ length: layout.workers() }, (_, worker) => readWorker(worker));
      const readAtNs = Number(nowNs());
      return { readAtNs, workers, totals: sumCounters(workers), backends: backends.map(readBackend) };
    },
  };
}

export function sumCounters(workers: readonly WorkerCounters[]): CounterTotals {
  const totals = { ...ZERO_TOTALS };
  for (const { counters } of workers) {
    for (const { name } of COUNTERS) totals[name] += counters[name];
  }
  return totals;
}
