#include "route/flow_table.h"

#include <gtest/gtest.h>

#include "routing_fixture.h"

namespace quicproxy {
namespace {

TEST(FlowTable, FlowsForNeverPromisesMoreThanTheMemoryHolds) {
  for (const uint64_t bytes : {uint64_t{1}, uint64_t{1000}, uint64_t{65536}, uint64_t{1} << 20, uint64_t{64} << 20}) {
    const uint32_t flows = FlowTable::flowsFor(bytes);
    EXPECT_TRUE(flows == 0 || FlowTable::bytesFor(flows) <= bytes);
    EXPECT_GT(FlowTable::bytesFor(flows + flows / 50 + 2), bytes);
  }
}

TEST(FlowTable, RefusesMemoryThatIsTooSmall) {
  std::byte memory[64];
  EXPECT_FALSE(FlowTable::create({memory, sizeof memory}, 10, {}).has_value());
  EXPECT_FALSE(FlowTable::create({memory, sizeof memory}, 0, {}).has_value());
}

TEST(FlowTable, FindsAFlowByTupleAndByPath) {
  TableMemory memory(16);
  FlowTable& table = memory.table();
  const FourTuple tuple = tupleOf(9, 1000);
  const uint32_t flow = table.create({tuple, 3, 1, 2}, 50);
  ASSERT_NE(flow, kNoFlow);
  EXPECT_EQ(table.findByTuple(table.tupleKey(tuple), 50), flow);
  EXPECT_EQ(table.findByPath(tuple, 3, 50), flow);
  EXPECT_EQ(table.findByPath(tuple, 4, 50), kNoFlow);
  EXPECT_EQ(table.findByTuple(table.tupleKey(tupleOf(9, 1001)), 50), kNoFlow);
  EXPECT_EQ(table.at(flow).endpoint, 2);
  EXPECT_EQ(table.liveCount(), 1U);
}

TEST(FlowTable, ATupleMayHaveFlowsToTwoBackendsAndTheLaterOneIsFoundByTuple) {
  TableMemory memory(16);
  FlowTable& table = memory.table();
  const FourTuple tuple = tupleOf(9, 1000);
  const uint32_t first = table.create({tuple, 1, 1, 0}, 50);
  const uint32_t second = table.create({tuple, 2, 1, 0}, 60);
  EXPECT_EQ(table.findByTuple(table.tupleKey(tuple), 60), second);
  EXPECT_EQ(table.findByPath(tuple, 1, 60), first);
  table.remove(first);
  EXPECT_EQ(table.findByTuple(table.tupleKey(tuple), 60), second)
      << "removing the earlier flow must not hide the later";
  table.remove(second);
  EXPECT_EQ(table.findByTuple(table.tupleKey(tuple), 60), kNoFlow);
}

TEST(FlowTable, HoldsExactlyItsCapacityAndReusesWhatWasRemoved) {
  constexpr uint32_t kFlows = 500;
  TableMemory memory(kFlows);
  FlowTable& table = memory.table();
  for (uint16_t port = 1; port <= kFlows; port++) ASSERT_NE(table.create({tupleOf(1, port), 0, 1, 0}, 0), kNoFlow);
  EXPECT_TRUE(table.full());
  EXPECT_EQ(table.create({tupleOf(2, 1), 0, 1, 0}, 0), kNoFlow);
  const uint32_t gone = table.findByPath(tupleOf(1, 7), 0, 0);
  const FlowReference stale = table.referenceTo(gone);
  table.remove(gone);
  const uint32_t reused = table.create({tupleOf(2, 1), 0, 1, 0}, 0);
  EXPECT_EQ(reused, gone);
  EXPECT_FALSE(table.isLive(stale)) << "a reference to the former owner of a place must not match the new one";
}

TEST(FlowTable, SweepFindsIdleFlowsOnlyAndAllOfThemInOneRound) {
  TableMemory memory(100);
  FlowTable& table = memory.table();
  for (uint16_t port = 1; port <= 100; port++) table.create({tupleOf(1, port), 0, 1, 0}, port <= 40 ? 0 : 900);
  std::vector<uint32_t> idle;
  for (int step = 0; step < 10; step++) {
    table.sweepFlows(10, 1000, 500, [&](uint32_t flow) {
      idle.push_back(flow);
      table.remove(flow);
    });
  }
  EXPECT_EQ(idle.size(), 40U);
  EXPECT_EQ(table.liveCount(), 60U);
}

TEST(FlowTable, SweepSurvivesTheWrapOfTheClock) {
  TableMemory memory(4);
  FlowTable& table = memory.table();
  table.create({tupleOf(1, 1), 0, 1, 0}, 0xfffffff0);
  int idle = 0;
  table.sweepFlows(4, 0x10, 100, [&](uint32_t) { idle++; });
  EXPECT_EQ(idle, 0);
  table.sweepFlows(4, 0x60, 100, [&](uint32_t) { idle++; });
  EXPECT_EQ(idle, 1);
}

}  // namespace
}  // namespace quicproxy
