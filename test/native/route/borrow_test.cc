#include <gtest/gtest.h>

#include "routable_workers.h"

namespace quicproxy {
namespace {

/* The number of workers changed: the kernel hands a path to a worker that does not have its flow. */

const FourTuple kClient = tupleOf(7, 1000);

TEST(Borrow, AKnownTupleElsewhereLendsItsPort) {
  TwoWorkers proxy(200);
  const Decision first = proxy.send(0, kClient, longHeader(cidOf(0x10), cidOf(0x20)));
  Flow& flow = proxy.table(0).at(first.flow);
  flow.upstreamPort = 23'456;
  flow.upstreamSource = 3;
  proxy.table(0).publish(first.flow);
  proxy.reply(0, first.flow, longHeader(cidOf(0x20), cidOf(0xd0)));
  for (const auto& datagram : {shortHeader(cidOf(0xd0)), shortHeader(cidOf(0x77)), longHeader(cidOf(0x10), cidOf(0x20)),
                               std::vector<uint8_t>{1, 2, 3}}) {
    const Decision here = proxy.decide(1, kClient, datagram);
    ASSERT_TRUE(here.owner);
    EXPECT_TRUE(here.foundElsewhere);
    EXPECT_FALSE(here.readdressed);
    EXPECT_EQ(here.backendSlot, first.backendSlot);
    EXPECT_EQ(here.owner->worker, 0);
    EXPECT_EQ(here.owner->way.upstreamPort, 23'456);
    EXPECT_EQ(here.owner->way.upstreamSource, 3);
  }
  EXPECT_TRUE(proxy.decide(1, kClient, shortHeader(cidOf(0xd0))).provesOwner);
  EXPECT_FALSE(proxy.decide(1, kClient, shortHeader(cidOf(0x77))).provesOwner);
  EXPECT_FALSE(proxy.decide(1, tupleOf(8, 1), shortHeader(cidOf(0xd0))).owner) << "from another address it moved";
}

TEST(Borrow, ARoutableIdOfAKnownTupleBorrowsToo) {
  RoutableWorkers proxy;
  const Decision first = proxy.send(0, kClient, shortHeader(proxy.cid(1, 2, 5)));
  proxy.table(0).at(first.flow).upstreamPort = 23'456;
  proxy.table(0).publish(first.flow);
  const Decision here = proxy.decide(1, kClient, shortHeader(proxy.cid(1, 2, 6)));
  EXPECT_EQ(here.rule, Rule::kQuicLb);
  EXPECT_FALSE(here.readdressed);
  ASSERT_TRUE(here.owner);
  EXPECT_EQ(here.owner->way.upstreamPort, 23'456);
  const Decision other = proxy.decide(1, kClient, shortHeader(proxy.cid(1, 1, 6)));
  EXPECT_EQ(other.backendSlot, 1) << "what the ID says goes first";
  EXPECT_FALSE(other.owner);
}

/// A NAT gives a client the port that another one had before.
TEST(Borrow, AnIdOfAThirdWorkersGoesBeforeTheFormerUseOfItsTuple) {
  TwoWorkers proxy(200);
  proxy.idleMs = 120'000;
  const FourTuple before = tupleOf(8, 1);
  const Decision mine = proxy.send(1, before, longHeader(cidOf(0x10), cidOf(0x20)));
  proxy.reply(1, mine.flow, longHeader(cidOf(0x20), cidOf(0xd0)));
  proxy.send(1, before, shortHeader(cidOf(0xd0)));
  const Decision former = proxy.send(0, kClient, longHeader(cidOf(0x11), cidOf(0x21)));
  ASSERT_NE(former.backendSlot, mine.backendSlot) << "another pair of clients is needed";
  const Decision moved = proxy.decide(0, kClient, shortHeader(cidOf(0xd0)));
  EXPECT_EQ(moved.rule, Rule::kDcid);
  EXPECT_EQ(moved.backendSlot, mine.backendSlot);
}

/// A client begins a further connection from a socket whose flow is another worker's: the answers reach the owner
/// alone.
TEST(Borrow, TheOwnerLearnsWhatBeganByTheBorrower) {
  TwoWorkers proxy(200);
  const Decision first = proxy.send(0, kClient, shortHeader(cidOf(0x77)));
  EXPECT_EQ(proxy.reply(0, first.flow, longHeader(cidOf(0x20), cidOf(0xd1), 0x7a7a7a7a)).learned, 0U) << "not QUIC";
  EXPECT_EQ(proxy.reply(0, first.flow, longHeader(cidOf(0x20), cidOf(0xd0), 1)).learned, 1U);
  const Decision moved = proxy.decide(1, tupleOf(8, 1), shortHeader(cidOf(0xd0)));
  EXPECT_TRUE(moved.foundElsewhere);
  EXPECT_EQ(moved.backendSlot, first.backendSlot);
}

/// It may live on by another path, or worker.
TEST(Borrow, AnIdThatWasShownStaysWhenItsFlowEnds) {
  TwoWorkers proxy(200);
  const Decision first = proxy.send(0, kClient, longHeader(cidOf(0x10), cidOf(0x20)));
  proxy.reply(0, first.flow, longHeader(cidOf(0x20), cidOf(0xd0)));
  proxy.table(0).remove(first.flow);
  const Decision moved = proxy.decide(0, tupleOf(8, 1), shortHeader(cidOf(0xd0)));
  EXPECT_EQ(moved.rule, Rule::kDcid);
  EXPECT_EQ(moved.backendSlot, first.backendSlot);
}

TEST(Borrow, AFlowThatEndedLendsNothing) {
  TwoWorkers proxy(200);
  const Decision first = proxy.send(0, kClient, longHeader(cidOf(0x10), cidOf(0x20)));
  const FlowReference reference = proxy.table(0).referenceTo(first.flow);
  ASSERT_TRUE(proxy.table(0).wayOf(reference));
  proxy.table(0).remove(first.flow);
  EXPECT_FALSE(proxy.table(0).wayOf(reference));
  const Decision again = proxy.send(0, kClient, longHeader(cidOf(0x11), cidOf(0x21)));
  EXPECT_EQ(again.flow, first.flow) << "the place is taken again";
  EXPECT_FALSE(proxy.table(0).wayOf(reference)) << "by another flow";
}

TEST(Borrow, WhatIsBorrowedIsNotLentOn) {
  TwoWorkers proxy(200);
  const Decision first = proxy.send(1, kClient, longHeader(cidOf(0x10), cidOf(0x20)));
  proxy.table(1).at(first.flow).set(kFlowBorrowed);
  proxy.table(1).publish(first.flow);
  EXPECT_FALSE(proxy.decide(0, kClient, shortHeader(cidOf(0x77))).owner);
}

TEST(Borrow, NotesAndTouchesReachTheOwner) {
  TwoWorkers proxy(200);
  const Decision first = proxy.send(0, kClient, longHeader(cidOf(0x10), cidOf(0x20)));
  EXPECT_FALSE(proxy.table(0).hasNote(first.flow, kNoteConfirmed));
  proxy.table(0).note(first.flow, kNoteConfirmed);
  EXPECT_TRUE(proxy.table(0).hasNote(first.flow, kNoteConfirmed));
  proxy.table(0).keepAlive(first.flow, 777'000);
  EXPECT_EQ(proxy.table(0).at(first.flow).seenAtMs(), 777'000U);
}

}  // namespace
}  // namespace quicproxy
