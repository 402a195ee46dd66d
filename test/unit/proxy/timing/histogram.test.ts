import { describe, expect, it } from "vitest";
import {
  cumulativeBuckets,
  datagramsOf,
  EMPTY_HISTOGRAM,
  histogramDelta,
  lowerBoundNs,
  mergeHistograms,
  quantileNs,
  TIME_BUCKETS,
  type TimeHistogram,
} from "../../../../proxy/timing/histogram.ts";

const withCounts = (counts: Record<number, number>): TimeHistogram => ({
  sumNs: 1000,
  counts: Array.from({ length: TIME_BUCKETS }, (_, bucket) => counts[bucket] ?? 0),
});

/** As test/native/context/time_histogram_test.cc has it. */
const bucketOf = (ns: number): number =>
  Array.from({ length: TIME_BUCKETS }, (_, bucket) => bucket).findLast((bucket) => lowerBoundNs(bucket) <= ns)!;

describe("time histograms", () => {
  it("have the bounds of the native side", () => {
    expect([0, 1, 2, 5, TIME_BUCKETS - 1, TIME_BUCKETS].map(lowerBoundNs)).toEqual([
      0,
      256,
      320,
      512,
      2 ** 27,
      Number.POSITIVE_INFINITY,
    ]);
    for (let bucket = 1; bucket < TIME_BUCKETS - 1; bucket++) {
      const width = lowerBoundNs(bucket + 1) - lowerBoundNs(bucket);
      expect(width).toBeGreaterThan(0);
      expect(width / lowerBoundNs(bucket)).toBeLessThanOrEqual(0.25);
    }
  });

  it.each([
    300, 1000, 25_000, 1_800_000,
  ])("find a quantile of datagrams that all took %i ns within a bucket's width", (ns) => {
    const histogram = withCounts({ [bucketOf(ns)]: 1000 });
    for (const share of [0.01, 0.5, 0.99]) {
      expect(Math.abs(quantileNs(histogram, share)! - ns) / ns).toBeLessThanOrEqual(0.25);
    }
  });

  it("tell the many from the few", () => {
    const histogram = withCounts({ [bucketOf(1000)]: 980, [bucketOf(50_000)]: 20 });
    expect(quantileNs(histogram, 0.5)).toBeLessThan(1300);
    expect(quantileNs(histogram, 0.99)).toBeGreaterThan(40_000);
  });

  it("know nothing of no datagram, and no end of the last bucket", () => {
    expect(quantileNs(EMPTY_HISTOGRAM, 0.5)).toBeUndefined();
    expect(quantileNs(withCounts({ [TIME_BUCKETS - 1]: 3 }), 0.99)).toBe(2 ** 27);
  });

  it("differ by what came since", () => {
    const before = withCounts({ 3: 5, 4: 1 });
    const after = { ...withCounts({ 3: 7, 4: 1 }), sumNs: 1600 };
    expect(histogramDelta(before, after)).toEqual({ ...withCounts({ 3: 2 }), sumNs: 600 });
    expect(histogramDelta(undefined, after)).toEqual(after);
  });

  it("add up", () => {
    const sum = mergeHistograms([withCounts({ 1: 2 }), withCounts({ 1: 3, 77: 1 })]);
    expect(sum).toEqual({ ...withCounts({ 1: 5, 77: 1 }), sumNs: 2000 });
    expect(mergeHistograms([])).toEqual(EMPTY_HISTOGRAM);
  });

  it("are for a scrape one cumulative bucket for each power of two", () => {
    const histogram = withCounts({ 0: 1, 1: 2, 4: 3, 5: 4, [TIME_BUCKETS - 1]: 5 });
    const buckets = cumulativeBuckets(histogram);
    expect(buckets.slice(0, 3)).toEqual([
      { belowNs: 256, datagrams: 1 },
      { belowNs: 512, datagrams: 6 },
      { belowNs: 1024, datagrams: 10 },
    ]);
    expect(buckets.at(-2)).toEqual({ belowNs: 2 ** 27, datagrams: 10 });
    expect(buckets.at(-1)).toEqual({ belowNs: Number.POSITIVE_INFINITY, datagrams: datagramsOf(histogram) });
  });
});
