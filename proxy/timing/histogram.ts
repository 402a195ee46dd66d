import {
  CELLS_PER_TIMING,
  TIME_FIRST_EXPONENT,
  TIME_LAST_EXPONENT,
  TIME_STEP_BITS,
} from "../counters/names.generated.ts";

/** Durations of datagrams as native/context/time_histogram.h counts them. */
export interface TimeHistogram {
  /** Nanoseconds of all datagrams together. */
  sumNs: number;
  /** Datagrams, by bucket. */
  counts: readonly number[];
}

/** The sum is the first cell. */
export const TIME_BUCKETS = CELLS_PER_TIMING - 1;

export const EMPTY_HISTOGRAM: TimeHistogram = { sumNs: 0, counts: Array.from({ length: TIME_BUCKETS }, () => 0) };

const STEPS = 2 ** TIME_STEP_BITS;

/** The shortest duration of a bucket; of the one behind the last Infinity. */
export function lowerBoundNs(bucket: number): number {
  if (bucket <= 0) return 0;
  if (bucket >= TIME_BUCKETS) return Number.POSITIVE_INFINITY;
  const exponent = TIME_FIRST_EXPONENT + Math.floor((bucket - 1) / STEPS);
  return 2 ** exponent * (1 + ((bucket - 1) % STEPS) / STEPS);
}

export function datagramsOf({ counts }: TimeHistogram): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** What came to it since an earlier reading of the same run. */
export function histogramDelta(previous: TimeHistogram | undefined, current: TimeHistogram): TimeHistogram {
  if (previous === undefined) return current;
  return {
    sumNs: Math.max(0, current.sumNs - previous.sumNs),
    counts: current.counts.map((count, bucket) => Math.max(0, count - (previous.counts[bucket] ?? 0))),
  };
}

export function mergeHistograms(histograms: readonly TimeHistogram[]): TimeHistogram {
  return histograms.reduce(
    (sum, { sumNs, counts }) => ({
      sumNs: sum.sumNs + sumNs,
      counts: sum.counts.map((count, bucket) => count + (counts[bucket] ?? 0)),
    }),
    EMPTY_HISTOGRAM,
  );
}

/**
 * The duration that a share of the datagrams, 0 to 1, does not exceed, in nanoseconds: right to within the width of a
 * bucket, a quarter of its lower bound. Undefined without any datagram.
 */
export function quantileNs(histogram: TimeHistogram, share: number): number | undefined {
  const wanted = datagramsOf(histogram) * share;
  let below = 0;
  for (const [bucket, count] of histogram.counts.entries()) {
    if (count > 0 && below + count >= wanted) {
      const low = lowerBoundNs(bucket);
      const high = lowerBoundNs(bucket + 1);
      return Number.isFinite(high) ? low + ((high - low) * Math.max(0, wanted - below)) / count : low;
    }
    below += count;
  }
  return undefined;
}

export interface CumulativeBucket {
  /** Infinity for the last. */
  belowNs: number;
  /** Datagrams that took less. */
  datagrams: number;
}

/** One bucket for each power of two: what a scrape needs, a quarter of what is counted. */
export function cumulativeBuckets({ counts }: TimeHistogram): CumulativeBucket[] {
  const bounds = Array.from({ length: TIME_LAST_EXPONENT - TIME_FIRST_EXPONENT + 1 }, (_, step) => 1 + step * STEPS);
  return [...bounds, TIME_BUCKETS].map((end) => ({
    belowNs: lowerBoundNs(end),
    datagrams: counts.slice(0, end).reduce((sum, count) => sum + count, 0),
  }));
}
