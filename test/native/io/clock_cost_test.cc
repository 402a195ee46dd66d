#include "io/clock_cost.h"

#include <gtest/gtest.h>

#include <limits>

#include "io/clock.h"

namespace quicproxy {
namespace {

TEST(ClockCost, AFastClockTimesEveryWait) {
  const ClockUse use = ClockUse::forReadNs(25);
  EXPECT_FALSE(use.coarse);
  EXPECT_EQ(use.oneIn, 32U);
}

TEST(ClockCost, ASlowClockIsReadLessOftenAndWaitsByTicks) {
  const ClockUse use = ClockUse::forReadNs(1000);
  EXPECT_TRUE(use.coarse);
  EXPECT_EQ(use.oneIn, 1024U);
  EXPECT_EQ(use.readNs, 1000U);
}

/// Three readings in a batch that is timed: 4 ns for each batch, however slow the clock.
TEST(ClockCost, ReadingsCostABatchTheSameOnEveryClock) {
  for (uint32_t readNs = 1; readNs <= 2000; readNs++) {
    const ClockUse use = ClockUse::forReadNs(readNs);
    EXPECT_LE(3 * readNs, 4 * use.oneIn) << readNs;
    EXPECT_GE(ClockUse::forReadNs(readNs + 1).oneIn, use.oneIn);
  }
}

TEST(ClockCost, IsBoundedAtBothEnds) {
  EXPECT_EQ(ClockUse::forReadNs(0).oneIn, 16U);
  EXPECT_EQ(ClockUse::forReadNs(std::numeric_limits<uint32_t>::max()).oneIn, 4096U);
}

TEST(ClockCost, IsMeasuredAndNotByTheTimeThatOthersTake) {
  const uint64_t beganNs = monotonicNs();
  const uint32_t readNs = measureClockReadNs();
  EXPECT_LE(readNs, monotonicNs() - beganNs);
}

TEST(ClockCost, TheCoarseClockIsBehindTheOther) {
  const uint64_t coarseNs = ClockUse{.readNs = 0, .oneIn = 1, .coarse = true}.nowNs();
  EXPECT_LE(coarseNs, ClockUse({.readNs = 0, .oneIn = 1}).nowNs());
}

}  // namespace
}  // namespace quicproxy
