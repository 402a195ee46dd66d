import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 100;

/**
 * Waits until something holds; what throws does not hold yet. The limit only keeps a broken run from lasting for ever.
 * Resolves with the milliseconds that it took.
 */
export async function until(what: string, holds: () => Promise<boolean>, withinMs = 120_000): Promise<number> {
  const start = performance.now();
  let last: unknown = "it does not hold";
  while (performance.now() - start < withinMs) {
    try {
      if (await holds()) return performance.now() - start;
    } catch (error) {
      last = error;
    }
    await sleep(POLL_MS);
  }
  throw new Error(`not after ${withinMs} ms: ${what}: ${last}`);
}
