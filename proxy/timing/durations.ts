import { histogramDelta, mergeHistograms, quantileNs } from "./histogram.ts";
import { type LoadReading, ofSameRun } from "./load.ts";

export interface Quantiles {
  /** Half of the datagrams take no longer; absent where none was timed. */
  p50Ns?: number;
  /** 99 in 100 take no longer. */
  p99Ns?: number;
}

/** Service time of a worker's datagrams in both directions, of those timed since an earlier reading of the same run. */
export function workerQuantiles(previous: LoadReading | undefined, current: LoadReading, worker: number): Quantiles {
  const before = ofSameRun(previous, current);
  const now = current.workers[worker]?.timing;
  if (now === undefined) return {};
  const old = before?.workers[worker]?.timing;
  const service = mergeHistograms([
    histogramDelta(old?.forwardService, now.forwardService),
    histogramDelta(old?.returnService, now.returnService),
  ]);
  const p50Ns = quantileNs(service, 0.5);
  const p99Ns = quantileNs(service, 0.99);
  return p50Ns === undefined || p99Ns === undefined ? {} : { p50Ns, p99Ns };
}
