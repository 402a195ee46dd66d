import type { ProxyMeasure } from "../reading/proxy_measure.ts";
import type { Subject } from "../reading/raw.ts";
import type { Counters, Reading } from "../reading/reading.ts";
import { differenceOf, type Width } from "./difference.ts";
import type { HandOffId } from "./hand_offs.ts";
import type { Count, Restart } from "./measures.ts";

/** Two readings, and what lies between them. */
export interface Window {
  readonly subject: Subject;
  readonly before: Reading;
  /** Lighter readings within the window, in order of time: of the sockets at least, for how full their queues were. */
  readonly between: readonly Reading[];
  readonly after: Reading;
  /** What the proxy counted in the same time, where one was asked. */
  readonly proxy?: ProxyMeasure;
}

/** The readings are no window: the second one is not later than the first. */
export class WindowError extends Error {
  override readonly name = "WindowError";
}

/** Takes differences over one window, and notes which counters were set back within it. */
export class Comparison {
  readonly seconds: number;
  readonly restarted: Restart[] = [];

  /** Throws WindowError where the second reading is not later than the first. */
  constructor({ before, after }: Pick<Window, "before" | "after">) {
    this.seconds = (after.steadyMs - before.steadyMs) / 1000;
    if (!(this.seconds > 0) || !Number.isFinite(this.seconds)) {
      throw new WindowError(`the second reading (${after.time}) is not later than the first (${before.time})`);
    }
  }

  /** Of one counter; undefined where it was not read twice or was set back. */
  count(
    place: { readonly handOff: HandOffId; readonly what: string; readonly width: Width },
    before: bigint | number | undefined,
    after: bigint | number | undefined,
  ): Count {
    const { handOff, what, width } = place;
    const difference = differenceOf(big(before), big(after), { width, seconds: this.seconds });
    if (difference !== "restarted") return difference;
    this.restarted.push({ handOff, what });
    return undefined;
  }

  /** A function for the counters of one table of the kernel, by their names. */
  table(
    place: { readonly handOff: HandOffId; readonly what: string; readonly width: Width },
    before: Counters | undefined,
    after: Counters | undefined,
  ): (name: string) => Count {
    return (name) => this.count({ ...place, what: `${place.what} ${name}` }, before?.get(name), after?.get(name));
  }
}

const big = (value: bigint | number | undefined): bigint | undefined =>
  typeof value === "number" ? BigInt(Math.trunc(value)) : value;
