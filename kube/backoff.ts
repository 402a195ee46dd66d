/** How long to wait before the next attempt. */
export interface Backoff {
  /** Milliseconds, more on average with every call, up to the maximum. */
  next(): number;
  /** After a success. */
  reset(): void;
}

export interface BackoffOptions {
  readonly baseMs: number;
  readonly maxMs: number;
  /** From 0 to 1; Math.random by default. */
  readonly random?: () => number;
}

/** Full jitter: anything from zero to a bound that doubles, so that many clients do not come back together. */
export function fullJitter({ baseMs, maxMs, random = Math.random }: BackoffOptions): Backoff {
  let attempts = 0;
  return {
    next(): number {
      const bound = Math.min(maxMs, baseMs * 2 ** Math.min(attempts, 30));
      attempts++;
      return random() * bound;
    },
    reset(): void {
      attempts = 0;
    },
  };
}

/** Waits; ends early, and without an error, when the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
  });
}
