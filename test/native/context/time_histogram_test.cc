#include "context/time_histogram.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

namespace quicproxy {
namespace {

/// The lowest duration of a bucket; proxy/timing/histogram.ts has the same.
uint64_t lowerBoundOf(uint32_t bucket) {
  if (bucket == 0) return 0;
  const uint32_t exponent = kTimeFirstExponent + ((bucket - 1) >> kTimeStepBits);
  const uint64_t step = (bucket - 1) & ((1U << kTimeStepBits) - 1);
  return (uint64_t{1} << exponent) + (step << (exponent - kTimeStepBits));
}

TEST(TimeHistogram, EveryBucketBeginsWhereTheOneBeforeEnds) {
  EXPECT_EQ(timeBucketOf(0), 0U);
  for (uint32_t bucket = 1; bucket < kTimeBuckets; bucket++) {
    EXPECT_EQ(timeBucketOf(lowerBoundOf(bucket)), bucket);
    EXPECT_EQ(timeBucketOf(lowerBoundOf(bucket) - 1), bucket - 1);
  }
  EXPECT_EQ(lowerBoundOf(1), uint64_t{1} << kTimeFirstExponent);
  EXPECT_EQ(lowerBoundOf(kTimeBuckets - 1), uint64_t{1} << kTimeLastExponent);
  EXPECT_EQ(timeBucketOf(std::numeric_limits<uint64_t>::max()), kTimeBuckets - 1);
}

TEST(TimeHistogram, ABucketIsAQuarterOfItsLowerBoundWideAtMost) {
  for (uint32_t bucket = 1; bucket + 1 < kTimeBuckets; bucket++) {
    EXPECT_LE(4 * (lowerBoundOf(bucket + 1) - lowerBoundOf(bucket)), lowerBoundOf(bucket));
  }
}

TEST(TimeHistogram, CountsDatagramsAndTheirTime) {
  std::array<CounterCell, kTimingCells + 1> cells{};
  cells.back().set(77);
  TimeHistogram histogram(cells.data());
  histogram.add(1000, 64);
  histogram.add(1000, 1);
  histogram.add(uint64_t{1} << 40, 1);
  EXPECT_EQ(histogram.count(timeBucketOf(1000)), 65U);
  EXPECT_EQ(histogram.count(kTimeBuckets - 1), 1U);
  EXPECT_EQ(histogram.sumNs(), 65'000U + (uint64_t{1} << 40));
  EXPECT_EQ(cells.back().get(), 77U) << "it stays within its cells";
}

}  // namespace
}  // namespace quicproxy
