#include "route/flow_table.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <utility>
#include <vector>

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
  EXPECT_EQ(table.findByTuple(table.tupleKey(tuple)), flow);
  EXPECT_EQ(table.findByPath(tuple, 3), flow);
  EXPECT_EQ(table.findByPath(tuple, 4), kNoFlow);
  EXPECT_EQ(table.findByTuple(table.tupleKey(tupleOf(9, 1001))), kNoFlow);
  EXPECT_EQ(table.at(flow).endpoint, 2);
  EXPECT_EQ(table.liveCount(), 1U);
}

TEST(FlowTable, ATupleMayHaveFlowsToTwoBackendsAndTheLaterOneIsFoundByTuple) {
  TableMemory memory(16);
  FlowTable& table = memory.table();
  const FourTuple tuple = tupleOf(9, 1000);
  const uint32_t first = table.create({tuple, 1, 1, 0}, 50);
  const uint32_t second = table.create({tuple, 2, 1, 0}, 60);
  EXPECT_EQ(table.findByTuple(table.tupleKey(tuple)), second);
  EXPECT_EQ(table.findByPath(tuple, 1), first);
  table.remove(first);
  EXPECT_EQ(table.findByTuple(table.tupleKey(tuple)), second) << "removing the earlier flow must not hide the later";
  table.remove(second);
  EXPECT_EQ(table.findByTuple(table.tupleKey(tuple)), kNoFlow);
}

TEST(FlowTable, AmongSiblingsTheLastThatNobodyConfirmedGivesWay) {
  TableMemory memory(64);
  FlowTable& table = memory.table();
  const FourTuple tuple = tupleOf(9, 1000);
  EXPECT_EQ(table.evictableSibling(tuple), kNoFlow);
  const uint32_t victim = table.create({tuple, 0, 1, 0}, 50);
  table.confirm(victim, 50);
  EXPECT_EQ(table.evictableSibling(tuple), kNoFlow);
  for (uint16_t slot = 1; slot < FlowTable::kMaxSiblings; slot++) {
    ASSERT_NE(table.create({tuple, slot, 1, 0, true}, 60), kNoFlow);
  }
  EXPECT_EQ(table.create({tuple, 99, 1, 0}, 70), kNoFlow) << "forged moves filled it";
  const uint32_t sibling = table.evictableSibling(tuple);
  ASSERT_NE(sibling, kNoFlow);
  EXPECT_NE(sibling, victim);
  table.remove(sibling);
  EXPECT_NE(table.create({tuple, 99, 1, 0}, 70), kNoFlow);
  EXPECT_EQ(table.findByTuple(table.tupleKey(tuple)), victim);
}

TEST(FlowTable, HoldsExactlyItsCapacityAndReusesWhatWasRemoved) {
  constexpr uint32_t kFlows = 500;
  TableMemory memory(kFlows);
  FlowTable& table = memory.table();
  for (uint16_t port = 1; port <= kFlows; port++) ASSERT_NE(table.create({tupleOf(1, port), 0, 1, 0}, 0), kNoFlow);
  EXPECT_TRUE(table.full());
  EXPECT_EQ(table.create({tupleOf(2, 1), 0, 1, 0}, 0), kNoFlow);
  const uint32_t gone = table.findByPath(tupleOf(1, 7), 0);
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
    table.sweepFlows(
        10, 1000, [](const Flow&) { return 500U; },
        [&](uint32_t flow) {
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
  const auto idleMs = [](const Flow&) { return 100U; };
  table.sweepFlows(4, 0x10, idleMs, [&](uint32_t) { idle++; });
  EXPECT_EQ(idle, 0);
  table.sweepFlows(4, 0x60, idleMs, [&](uint32_t) { idle++; });
  EXPECT_EQ(idle, 1);
}

/// Memory that a successor maps: with the same content, at another place.
struct Handed {
  explicit Handed(uint32_t flows)
      : bytes(FlowTable::bytesFor(flows)),
        storage(bytes + IndexTable::kAlignment),
        memory(storage.data() +
                   (IndexTable::kAlignment - reinterpret_cast<uintptr_t>(storage.data()) % IndexTable::kAlignment),
               bytes) {}
  size_t bytes;
  std::vector<std::byte> storage;
  std::span<std::byte> memory;
};

TEST(FlowTable, ASuccessorGoesOnWithWhatItsPredecessorLeft) {
  Handed before(32);
  auto first = FlowTable::create(before.memory, 32, {7, 8});
  std::vector<uint32_t> flows;
  for (uint16_t port = 1; port <= 20; port++) flows.push_back(first->create({tupleOf(1, port), 3, 1, 0}, 100));
  first->remove(flows[4]);
  first->confirm(flows[0], 100);
  first->byDcid().insert(first->cidKey(cidOf(9)), first->referenceTo(flows[7]).pack(), 100, 1000);

  Handed after(32);
  std::copy(before.memory.begin(), before.memory.end(), after.memory.begin());
  auto second = FlowTable::attach(after.memory);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->liveCount(), 19U);
  EXPECT_EQ(second->oldestEvictable(), flows[1]);
  for (uint16_t port = 1; port <= 20; port++) {
    const FourTuple tuple = tupleOf(1, port);
    EXPECT_EQ(second->findByTuple(second->tupleKey(tuple)), port == 5 ? kNoFlow : flows[port - 1]);
  }
  const auto cid = second->byDcid().find(second->cidKey(cidOf(9)), 200, 1000);
  ASSERT_TRUE(cid);
  EXPECT_EQ(FlowReference::unpack(cid->value).flow, flows[7]);
  uint32_t made = 0;
  while (second->create({tupleOf(2, static_cast<uint16_t>(1 + made)), 3, 1, 0}, 200) != kNoFlow) made++;
  EXPECT_EQ(made, 13U) << "and has all free places";
}

TEST(FlowTable, WhatIsNoTableOfThisVersionIsNotAttached) {
  Handed handed(8);
  FlowTable::create(handed.memory, 8, {7, 8})->create({tupleOf(1, 1), 0, 1, 0}, 0);
  ASSERT_TRUE(FlowTable::attach(handed.memory));
  EXPECT_FALSE(FlowTable::attach(handed.memory.first(handed.bytes - 1)));
  EXPECT_FALSE(FlowTable::attach(handed.memory.first(16)));
  EXPECT_FALSE(FlowTable::attach(handed.memory.subspan(8)));
  // Every octet of the header that says how the rest is to be read, one after the other.
  for (size_t at = 0; at < offsetof(FlowRegion, key0); at++) {
    handed.memory[at] ^= std::byte{0x40};
    EXPECT_FALSE(FlowTable::attach(handed.memory)) << "octet " << at;
    handed.memory[at] ^= std::byte{0x40};
  }
  auto& region = *reinterpret_cast<FlowRegion*>(handed.memory.data());
  for (uint32_t* link : {&region.live, &region.firstFree, &region.lastEvictable, &region.sweepNext}) {
    const uint32_t sound = std::exchange(*link, 1000);
    EXPECT_FALSE(FlowTable::attach(handed.memory));
    *link = sound;
  }
  auto& index = *reinterpret_cast<uint32_t*>(handed.memory.data() + region.byDcidOffset);
  index++;
  EXPECT_FALSE(FlowTable::attach(handed.memory)) << "an index of another version";
}

}  // namespace
}  // namespace quicproxy
