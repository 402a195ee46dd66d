import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "./errors.ts";
import { nextTurn } from "./turns.ts";

export interface LanesOptions {
  /** How many requests are under way at a time. */
  readonly width: number;
  /** How often one is tried that the API server asks to send later. */
  readonly triesMax?: number;
  readonly pause?: (ms: number) => Promise<unknown>;
}

const TRIES_MAX = 5;
const PAUSE_MAX_MS = 10_000;

/** Many requests, some at a time. Where the API server is busy (429, 503 with Retry-After) all of them wait. */
export class Lanes {
  readonly #width: number;
  readonly #triesMax: number;
  readonly #pause: (ms: number) => Promise<unknown>;
  #busy: Promise<unknown> | undefined;

  constructor({ width, triesMax = TRIES_MAX, pause = sleep }: LanesOptions) {
    this.#width = width;
    this.#triesMax = triesMax;
    this.#pause = pause;
  }

  /** Acts on each, begun in their order. What was thrown, in that order: one that fails keeps no other from being done. */
  async each<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<Error[]> {
    const left = items.entries();
    const faults: (readonly [number, Error])[] = [];
    const lane = async (): Promise<void> => {
      for (const [index, item] of left) {
        await nextTurn();
        await this.#attempt(() => act(item)).catch((error: Error) => faults.push([index, error]));
      }
    };
    await Promise.all(Array.from({ length: Math.min(this.#width, items.length) }, lane));
    return faults.sort(([a], [b]) => a - b).map(([, error]) => error);
  }

  async #attempt(act: () => Promise<unknown>): Promise<void> {
    for (let tries = 1; ; tries++) {
      while (this.#busy !== undefined) await this.#busy;
      try {
        await act();
        return;
      } catch (error) {
        const { retryAfterMs } = error instanceof ApiError ? error : {};
        if (retryAfterMs === undefined || tries >= this.#triesMax) throw error;
        this.#hold(Math.min(retryAfterMs, PAUSE_MAX_MS));
      }
    }
  }

  #hold(ms: number): void {
    if (this.#busy !== undefined) return;
    this.#busy = this.#pause(ms).finally(() => {
      this.#busy = undefined;
    });
  }
}
