/*
 * What a counter did between two readings. A counter that fell has either wrapped or been set back (a driver reloaded, a
 * socket opened again, a namespace made anew); only the first is a difference.
 */

/**
 * How the kernel keeps a counter. 32: wraps at 2^32, or is a sum over CPUs of such. word: 64 bits, or 32 on machines of 32
 * bits and in many devices (i40e; https://github.com/luigirizzo/netmap/issues/931).
 */
export type Width = 32 | "word";

/** What it rose by; "restarted": set back; undefined: one of the readings does not have it. */
export type Difference = number | "restarted" | undefined;

const TWO_TO_32 = 2n ** 32n;

/** No counter of one CPU, queue or socket moves faster; a fall that means more than this was no wrap. */
const FASTEST_PER_SECOND = 20_000_000;

export function differenceOf(
  before: bigint | undefined,
  after: bigint | undefined,
  { width, seconds }: { readonly width: Width; readonly seconds: number },
): Difference {
  if (before === undefined || after === undefined) return undefined;
  const rise = after - before;
  if (rise >= 0n) return rise <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(rise) : "restarted";
  if (width === "word" && before >= TWO_TO_32) return "restarted";
  const wrapped = Number(BigInt.asUintN(32, rise));
  return wrapped <= FASTEST_PER_SECOND * Math.max(1, seconds) ? wrapped : "restarted";
}
