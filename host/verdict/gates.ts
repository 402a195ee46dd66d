import type { Count } from "../path/measures.ts";

/** Fewer datagrams than this, or a smaller share of what arrived, are no verdict: every network loses some. */
const LOSS_DATAGRAMS = 10;
const LOSS_SHARE = 0.0001;

/** Whether so many of so many are a loss to speak of. Where nobody counted what arrived, the number decides alone. */
export function isLoss(lost: Count, arrived: Count): lost is number {
  return lost !== undefined && lost >= LOSS_DATAGRAMS && lost >= (arrived ?? 0) * LOSS_SHARE;
}
