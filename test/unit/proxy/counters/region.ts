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
} from "../../../../proxy/counters/names.generated.ts";

const HEADER_BYTES = 64;

/** A counter region as the native side lays it out, with cells that a test sets by name. */
export class FakeRegion {
  readonly buffer: ArrayBuffer;
  readonly workers: number;
  readonly slots: number;
  readonly #cells: BigUint64Array;
  readonly #timingOffset: number;
  readonly #receiverOffset: number;
  readonly #workerStride: number;
  readonly #backendOffset: number;
  readonly #backendStride: number;

  constructor({ workers, slots }: { workers: number; slots: number }) {
    this.workers = workers;
    this.slots = slots;
    const padded = (cells: number): number => Math.ceil((cells * 8) / 64) * 64 + 64;
    this.#timingOffset = padded(COUNTERS.length + GAUGES.length);
    this.#receiverOffset = this.#timingOffset + padded(1 + TIMINGS.length * CELLS_PER_TIMING);
    this.#workerStride = this.#receiverOffset + padded(1);
    this.#backendOffset = HEADER_BYTES + workers * this.#workerStride;
    this.#backendStride = slots * BACKEND_CELLS.length * 8;
    this.buffer = new ArrayBuffer(this.#backendOffset + workers * this.#backendStride);
    this.#cells = new BigUint64Array(this.buffer);
    new Uint32Array(this.buffer).set([
      COUNTERS_MAGIC,
      COUNTERS_VERSION,
      workers,
      COUNTERS.length,
      GAUGES.length,
      HEADER_BYTES,
      this.#workerStride,
      slots,
      BACKEND_CELLS.length,
      this.#backendOffset,
      this.#backendStride,
      TIMINGS.length,
      CELLS_PER_TIMING,
      this.#timingOffset,
      this.#receiverOffset,
    ]);
  }

  /** How many of the workers' blocks are in use. */
  use(workers: number): void {
    new Uint32Array(this.buffer)[2] = workers;
  }

  set(worker: number, name: CounterName, value: number | bigint): void {
    const index = COUNTERS.findIndex((counter) => counter.name === name);
    this.#cells[(HEADER_BYTES + worker * this.#workerStride) / 8 + index] = BigInt(value);
  }

  setGauge(worker: number, name: GaugeName, value: number): void {
    const index = COUNTERS.length + GAUGES.indexOf(name);
    this.#cells[(HEADER_BYTES + worker * this.#workerStride) / 8 + index] = BigInt(value);
  }

  /** The cell as native/context/busy_time.h has it: negative while the thread works. */
  setBusy(worker: number, value: number | bigint, thread: "worker" | "receiver" = "worker"): void {
    const offset = thread === "worker" ? this.#timingOffset : this.#receiverOffset;
    this.#cells[(HEADER_BYTES + worker * this.#workerStride + offset) / 8] = BigInt.asUintN(64, BigInt(value));
  }

  /** Datagrams by bucket. */
  setTiming(worker: number, name: TimingName, sumNs: number, counts: Record<number, number>): void {
    const block = HEADER_BYTES + worker * this.#workerStride + this.#timingOffset;
    const first = block / 8 + 1 + TIMINGS.indexOf(name) * CELLS_PER_TIMING;
    this.#cells[first] = BigInt(sumNs);
    for (const [bucket, count] of Object.entries(counts)) this.#cells[first + 1 + Number(bucket)] = BigInt(count);
  }

  setBackend(worker: number, slot: number, cells: Partial<Record<BackendCellName, number>>): void {
    const first = (this.#backendOffset + worker * this.#backendStride) / 8 + slot * BACKEND_CELLS.length;
    for (const [name, value] of Object.entries(cells)) {
      this.#cells[first + BACKEND_CELLS.indexOf(name as BackendCellName)] = BigInt(value);
    }
  }
}
