import {
  BACKEND_CELLS,
  type BackendCellName,
  COUNTERS,
  COUNTERS_MAGIC,
  COUNTERS_VERSION,
  type CounterName,
  GAUGES,
  type GaugeName,
} from "./names.generated.ts";

export type CounterTotals = Record<CounterName, number>;
export type GaugeValues = Record<GaugeName, number>;
export type BackendCells = Record<BackendCellName, number>;

export interface WorkerCounters {
  counters: CounterTotals;
  gauges: GaugeValues;
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
  /** By number; of those that are gone, too: what they counted stays. */
  workers: WorkerCounters[];
  totals: CounterTotals;
  backends: BackendCounters[];
}

export interface CounterReader {
  read(backends: readonly BackendSlot[]): CounterSnapshot;
}

/** The header of native/abi/counters.h: twelve little-endian 32-bit words. */
interface RegionLayout {
  /** Blocks in use: grows when workers are added and never shrinks. */
  workers: () => number;
  workerCell: number;
  workerStrideCells: number;
  backendSlots: number;
  backendCell: number;
  backendStrideCells: number;
}

const HEADER_WORDS = 12;
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
  const layout = {
    workers: () => words[2]!,
    workerCell: toCells("worker offset", words[5]!),
    workerStrideCells: toCells("worker stride", words[6]!),
    backendSlots: words[7]!,
    backendCell: toCells("backend offset", words[9]!),
    backendStrideCells: toCells("backend stride", words[10]!),
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
export function openCounters(region: ArrayBuffer): CounterReader {
  const layout = readLayout(region);
  const cells = new BigUint64Array(region, 0, Math.floor(region.byteLength / CELL_BYTES));

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
    return { counters, gauges };
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
      return { workers, totals: sumCounters(workers), backends: backends.map(readBackend) };
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
