import { type LoadReading, type WorkerLoad, workerLoads } from "./load.ts";

/** A load is worked out over no less: shorter ones say more about the moment than about the load. */
const WINDOW_MIN_NS = 1e9;

/**
 * The load now, for whoever asks, whenever and however often: over the time since an earlier reading that is at least a
 * second old, or since the start.
 */
export class LoadWindow {
  #older: LoadReading | undefined;
  #newer: LoadReading | undefined;

  measure(reading: LoadReading): WorkerLoad[] {
    if (this.#newer === undefined) {
      this.#newer = reading;
    } else if (reading.readAtNs - this.#newer.readAtNs >= WINDOW_MIN_NS) {
      this.#older = this.#newer;
      this.#newer = reading;
    }
    return workerLoads(this.#older, reading);
  }
}
