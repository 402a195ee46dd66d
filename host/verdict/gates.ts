import type { Count } from "../path/measures.ts";

/** Fewer datagrams than this, or a smaller share of what arrived, are no verdict: every network loses some. */
const LOSS_DATAGRAMS = 10;
const LOSS_SHARE = 0.0001;

/** Whether so many of so many are a loss to speak of. Where nobody counted what arrived, the number decides alone. */
export function isLoss(lost: Count, arrived: Count): lost is number {
  return lost !== undefined && lost >= LOSS_DATAGRAMS && lost >= (arrived ?? 0) * LOSS_SHARE;
}

/** Files of one reading are read one after the other: what a counter moved meanwhile is missing in another. */
const SKEW_SHARE = 0.05;

/** A rest that is no loss of its own: two counters of the same loss never agree to the last datagram. */
export function isSkew(rest: number, whole: Count): boolean {
  return rest <= (whole ?? 0) * SKEW_SHARE;
}
