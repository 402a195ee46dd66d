#include "context/busy_time.h"

#include <gtest/gtest.h>

namespace quicproxy {
namespace {

/// What a reader makes of the cell; proxy/counters/read.ts does the same.
uint64_t workedAt(const CounterCell& cell, uint64_t nowNs) {
  const uint64_t value = cell.get();
  return static_cast<int64_t>(value) < 0 ? value + nowNs : value;
}

TEST(BusyTime, IsReadInTheMidstOfWorkAndOfRest) {
  CounterCell cell{};
  BusyTime busy(cell);
  EXPECT_EQ(workedAt(cell, 1000), 0U);
  busy.work(1000);
  EXPECT_EQ(workedAt(cell, 1000), 0U);
  EXPECT_EQ(workedAt(cell, 1700), 700U);
  busy.rest(2000);
  EXPECT_EQ(workedAt(cell, 9000), 1000U);
  busy.work(10'000);
  EXPECT_EQ(workedAt(cell, 10'500), 1500U);
  busy.rest(11'000);
  EXPECT_EQ(cell.get(), 2000U);
}

TEST(BusyTime, WorkThatGoesOnIsNotCountedTwice) {
  CounterCell cell{};
  BusyTime busy(cell);
  busy.work(1000);
  busy.work(1500);
  EXPECT_TRUE(busy.working());
  busy.rest(3000);
  busy.rest(8000);
  EXPECT_FALSE(busy.working());
  EXPECT_EQ(cell.get(), 2000U);
}

/// A worker that left and came again.
TEST(BusyTime, GoesOnFromWhatTheCellHolds) {
  CounterCell cell{};
  {
    BusyTime first(cell);
    first.work(100);
    first.rest(400);
  }
  BusyTime second(cell);
  EXPECT_EQ(workedAt(cell, 1000), 300U);
  second.work(1000);
  EXPECT_EQ(workedAt(cell, 1100), 400U);
}

/// Two threads' clocks, or a coarse one: time never runs backwards in what is counted.
TEST(BusyTime, AnEndBeforeTheBeginningCountsNothing) {
  CounterCell cell{};
  BusyTime busy(cell);
  busy.work(1000);
  busy.rest(999);
  EXPECT_EQ(cell.get(), 0U);
}

}  // namespace
}  // namespace quicproxy
