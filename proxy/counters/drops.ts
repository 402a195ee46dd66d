import type { CountersReport } from "../metrics/report.ts";
import { COUNTERS, type CounterName } from "./names.generated.ts";
import type { CounterTotals } from "./read.ts";

/**
 * Every counter of a datagram that was lost here: outcomes of a stage, and what the kernel dropped at sockets of
 * workers. What it dropped at the listening sockets stands with the endpoints.
 */
export const DROP_COUNTERS: readonly CounterName[] = COUNTERS.filter(
  ({ kind, outcome, name }) => (kind === "Outcome" && outcome.startsWith("dropped_")) || name === "return_kernel_drops",
).map(({ name }) => name);

export function sumDrops(totals: CounterTotals): number {
  return DROP_COUNTERS.reduce((sum, name) => sum + totals[name], 0);
}

/** What the kernel dropped at listening sockets, those that are closed too. */
export function kernelDropsOf({ endpoints, status }: Pick<CountersReport, "endpoints" | "status">): number {
  return endpoints.reduce((sum, { kernelDrops }) => sum + kernelDrops, status.kernelDropsOfClosed);
}
