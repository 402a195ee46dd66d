import { pause } from "../kube/backoff.ts";

export interface QueueOptions {
  /** Does what one key needs. Returns when to do it again, in milliseconds, or undefined. What it throws is retried. */
  work(key: string): Promise<number | undefined>;
  /** Told of every attempt. */
  onDone?(attempt: Attempt): void;
  /** Adds within this time are one piece of work. */
  readonly settleMs?: number;
  readonly retryBaseMs?: number;
  readonly retryMaxMs?: number;
}

export interface Attempt {
  readonly key: string;
  readonly error: unknown;
  readonly seconds: number;
  /** How long it waited since it was due. */
  readonly queuedSeconds: number;
}

/**
 * Keys that need work, one at a time and each once however often it was added. A failed key waits 50 ms and then twice as
 * long each time, so that one broken object does not keep the others waiting.
 */
export class WorkQueue {
  readonly #options: QueueOptions;
  readonly #dueAtMs = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  readonly #stop = new AbortController();
  #wake: AbortController = new AbortController();
  #running: Promise<void> | undefined;
  #activeKey: string | undefined;
  #retries = 0;
  #adds = 0;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  get depth(): number {
    return this.#dueAtMs.size;
  }

  get retries(): number {
    return this.#retries;
  }

  get adds(): number {
    return this.#adds;
  }

  get active(): number {
    return this.#activeKey === undefined ? 0 : 1;
  }

  add(key: string, delayMs: number = this.#options.settleMs ?? 20): void {
    this.#adds++;
    const dueAtMs = performance.now() + delayMs;
    this.#dueAtMs.set(key, Math.min(dueAtMs, this.#dueAtMs.get(key) ?? Number.POSITIVE_INFINITY));
    this.#wake.abort();
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Finishes the work in hand and takes no more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const next = this.#earliest();
      const waitMs = next === undefined ? 60_000 : next.dueAtMs - performance.now();
      if (next !== undefined && waitMs <= 0) await this.#process(next.key, -waitMs);
      else await this.#sleep(waitMs);
    }
  }

  async #sleep(ms: number): Promise<void> {
    this.#wake = new AbortController();
    // An add between the look and the new signal would be missed.
    const next = this.#earliest();
    const boundMs = next === undefined ? ms : Math.min(ms, Math.max(0, next.dueAtMs - performance.now()));
    if (!this.#stop.signal.aborted) await pause(boundMs, this.#wake.signal);
  }

  #earliest(): { key: string; dueAtMs: number } | undefined {
    let best: { key: string; dueAtMs: number } | undefined;
    for (const [key, dueAtMs] of this.#dueAtMs) {
      if (best === undefined || dueAtMs < best.dueAtMs) best = { key, dueAtMs };
    }
    return best;
  }

  async #process(key: string, lateMs: number): Promise<void> {
    this.#dueAtMs.delete(key);
    this.#activeKey = key;
    const startedAtMs = performance.now();
    let error: unknown;
    try {
      const againMs = await this.#options.work(key);
      this.#failures.delete(key);
      if (againMs !== undefined) this.add(key, againMs);
    } catch (thrown) {
      error = thrown;
      this.#retry(key);
    }
    this.#activeKey = undefined;
    const seconds = (performance.now() - startedAtMs) / 1000;
    this.#options.onDone?.({ key, error, seconds, queuedSeconds: lateMs / 1000 });
  }

  #retry(key: string): void {
    const { retryBaseMs = 50, retryMaxMs = 30_000 } = this.#options;
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#retries++;
    this.add(key, Math.min(retryMaxMs, retryBaseMs * 2 ** Math.min(failures, 30)));
  }
}
