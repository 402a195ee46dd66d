import { isDeepStrictEqual } from "node:util";
import type { Change } from "../../kube/informer.ts";
import type { ObservedNodeObject } from "../world.ts";

/** How long a node may be silent before that is said: two of its signs of life may be lost (proxy/node/reporter.ts). */
export const SILENT_AFTER_MS = 150_000;
/** After the watch was away, what nodes have said meanwhile has this long to come in. */
const CATCH_UP_MS = 30_000;

interface Heard {
  readonly reportedAt: string;
  /** By a clock that never jumps: when a report came that was another than the one before. */
  atMs: number;
}

/**
 * When each node was last heard of. The time in a report is only compared with the one before it, so the clocks of nodes do not
 * matter; and what the operator could not hear, because it began a moment ago or its watch was away, is not held against
 * anybody.
 */
export class Heartbeats {
  readonly #steadyMs: () => number;
  readonly #heard = new Map<string, Heard>();

  constructor(steadyMs: () => number) {
    this.#steadyMs = steadyMs;
  }

  take({ key, value }: Change<ObservedNodeObject>): void {
    if (value?.reportedAt === undefined) this.#heard.delete(key);
    else if (value.reportedAt !== this.#heard.get(key)?.reportedAt)
      this.#heard.set(key, { reportedAt: value.reportedAt, atMs: this.#steadyMs() });
  }

  /** The watch works again after it was away. */
  resumed(): void {
    const earliestMs = this.#steadyMs() - SILENT_AFTER_MS + CATCH_UP_MS;
    for (const heard of this.#heard.values()) heard.atMs = Math.max(heard.atMs, earliestMs);
  }

  /**
   * How long nothing came, as far as the watch can tell that last gave a sign of life so long ago. Undefined: the node never
   * said when it reports.
   */
  ageMs(key: string, watchAgeMs: number): number | undefined {
    const heard = this.#heard.get(key);
    return heard && Math.max(0, this.#steadyMs() - watchAgeMs - heard.atMs);
  }
}

/** Whether a report says nothing but that the proxy is there. */
export function isBeatOnly({ value, before }: Change<ObservedNodeObject>): boolean {
  if (value === undefined || before === undefined || value.reportedAt === before.reportedAt) return false;
  return isDeepStrictEqual({ ...value, reportedAt: "" }, { ...before, reportedAt: "" });
}
