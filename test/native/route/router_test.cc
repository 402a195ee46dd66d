#include "route/router.h"

#include <gtest/gtest.h>

#include <set>

#include "routing_fixture.h"

namespace quicproxy {
namespace {

/// Client's first flight on worker 0, the server's answer with the given Connection ID, the client's use of it.
uint32_t handshake(TwoWorkers& proxy, const FourTuple& tuple, const std::vector<uint8_t>& serverCid) {
  const Decision first = proxy.send(0, tuple, longHeader(cidOf(0x10), cidOf(0x20)));
  proxy.reply(0, first.flow, longHeader(cidOf(0x20), serverCid));
  proxy.send(0, tuple, longHeader(serverCid, cidOf(0x20)));
  return first.flow;
}

TEST(Router, AnUnknownConnectionGoesToTheFallbackAndIsRemembered) {
  TwoWorkers proxy;
  const FourTuple tuple = tupleOf(7, 1000);
  const auto initial = longHeader(cidOf(0x10), cidOf(0x20));
  const Decision first = proxy.send(0, tuple, initial);
  EXPECT_EQ(first.rule, Rule::kFallback);
  EXPECT_EQ(proxy.table(0).byDcid().occupied(), 0U) << "nobody but the client vouches for its first ID";
  const Decision again = proxy.send(0, tuple, initial);
  EXPECT_EQ(again.rule, Rule::kTupleScid);
  EXPECT_EQ(again.flow, first.flow);
  EXPECT_EQ(proxy.table(0).liveCount(), 1U);
}

TEST(Router, TheServersConnectionIdIsLearnedFromItsLongHeader) {
  TwoWorkers proxy;
  const FourTuple tuple = tupleOf(7, 1000);
  const uint32_t flow = handshake(proxy, tuple, cidOf(0x60, 18));
  const Decision data = proxy.decide(0, tuple, shortHeader(cidOf(0x60, 18)));
  EXPECT_EQ(data.rule, Rule::kDcid);
  EXPECT_EQ(data.flow, flow);
  EXPECT_FALSE(data.readdressed);
}

TEST(Router, AReboundClientKeepsItsBackendOnTheSameWorker) {
  TwoWorkers proxy(200);
  const uint32_t flow = handshake(proxy, tupleOf(7, 1000), cidOf(0x60));
  const uint16_t backend = proxy.table(0).at(flow).backendSlot;
  for (uint16_t port = 2000; port < 2100; port++) {
    const Decision moved = proxy.send(0, tupleOf(7, port), shortHeader(cidOf(0x60)));
    EXPECT_EQ(moved.rule, Rule::kDcid);
    EXPECT_EQ(moved.backendSlot, backend);
    EXPECT_TRUE(moved.readdressed);
    EXPECT_NE(moved.flow, flow) << "the server must see a new path";
    const Decision next = proxy.decide(0, tupleOf(7, port), shortHeader(cidOf(0x60)));
    EXPECT_EQ(next.flow, moved.flow);
    EXPECT_FALSE(next.readdressed);
    if (proxy.table(0).liveCount() == 64) break;
  }
}

TEST(Router, AReboundClientKeepsItsBackendOnAnotherWorker) {
  TwoWorkers proxy(200);
  const uint32_t flow = handshake(proxy, tupleOf(7, 1000), cidOf(0x60));
  const uint16_t backend = proxy.table(0).at(flow).backendSlot;
  const Decision moved = proxy.send(1, tupleOf(7, 2000), shortHeader(cidOf(0x60)));
  EXPECT_EQ(moved.rule, Rule::kDcid);
  EXPECT_EQ(moved.backendSlot, backend);
  EXPECT_TRUE(moved.foundElsewhere);
  const Decision next = proxy.send(1, tupleOf(7, 2000), shortHeader(cidOf(0x60)));
  EXPECT_FALSE(next.foundElsewhere) << "after the first look the worker knows it itself";
  EXPECT_EQ(next.flow, moved.flow);
}

TEST(Router, TheWayBackToAFormerPathFindsItsFlow) {
  TwoWorkers proxy;
  const uint32_t flow = handshake(proxy, tupleOf(7, 1000), cidOf(0x60));
  proxy.send(0, tupleOf(7, 2000), shortHeader(cidOf(0x60)));
  const Decision back = proxy.send(0, tupleOf(7, 1000), shortHeader(cidOf(0x60)));
  EXPECT_EQ(back.flow, flow);
  EXPECT_FALSE(back.readdressed);
}

TEST(Router, ARetryAndTheHandshakeAfterItKeepTheBackend) {
  TwoWorkers proxy(200);
  const FourTuple tuple = tupleOf(7, 1000);
  const Decision first = proxy.send(0, tuple, longHeader(cidOf(0x10), cidOf(0x20)));
  proxy.reply(0, first.flow, longHeader(cidOf(0x20), cidOf(0x30)));
  const Decision afterRetry = proxy.send(1, tupleOf(8, 1), longHeader(cidOf(0x30), cidOf(0x20)));
  EXPECT_EQ(afterRetry.rule, Rule::kDcid);
  EXPECT_EQ(afterRetry.backendSlot, first.backendSlot);
}

TEST(Router, VersionNegotiationTeachesNothing) {
  TwoWorkers proxy;
  const Decision first = proxy.send(0, tupleOf(7, 1000), longHeader(cidOf(0x10), cidOf(0x20)));
  EXPECT_EQ(proxy.reply(0, first.flow, longHeader(cidOf(0x20), cidOf(0x50), 0)).learned, 0U);
  EXPECT_EQ(proxy.decide(0, tupleOf(9, 9), shortHeader(cidOf(0x50))).rule, Rule::kFallback);
}

TEST(Router, AFreshConnectionIdOnAConfirmedPathIsRecorded) {
  TwoWorkers proxy(200);
  const uint32_t flow = handshake(proxy, tupleOf(7, 1000), cidOf(0x60));
  const Decision fresh = proxy.send(0, tupleOf(7, 1000), shortHeader(cidOf(0x90)));
  EXPECT_EQ(fresh.rule, Rule::kTuple);
  EXPECT_EQ(fresh.flow, flow);
  const Decision moved = proxy.decide(1, tupleOf(7, 5000), shortHeader(cidOf(0x90)));
  EXPECT_EQ(moved.rule, Rule::kDcid);
  EXPECT_EQ(moved.backendSlot, fresh.backendSlot);
}

TEST(Router, AClientCannotFillTheTableWithMadeUpConnectionIds) {
  TwoWorkers proxy;
  const FourTuple tuple = tupleOf(7, 1000);
  handshake(proxy, tuple, cidOf(0x60));
  const uint64_t before = proxy.table(0).byDcid().occupied();
  for (uint8_t i = 0; i < 100; i++) proxy.send(0, tuple, shortHeader(cidOf(static_cast<uint8_t>(0x90 + i))));
  for (uint8_t i = 0; i < 100; i++) proxy.send(0, tuple, longHeader(cidOf(i), cidOf(static_cast<uint8_t>(i + 50))));
  EXPECT_LE(proxy.table(0).byDcid().occupied(), before + FlowHistory::kCids);
  EXPECT_LE(proxy.table(0).byTupleScid().occupied(), 1U);
}

TEST(Router, AnUnansweredFlowRecordsNoFurtherConnectionIds) {
  TwoWorkers proxy;
  proxy.cidLength = 8;
  proxy.send(0, tupleOf(7, 1000), shortHeader(cidOf(0x10)));
  proxy.send(0, tupleOf(7, 1000), shortHeader(cidOf(0x90)));
  EXPECT_EQ(proxy.table(0).byDcid().occupied(), 0U);
}

TEST(Router, AConnectionIdThatTwoBackendsChoseRoutesNobody) {
  TwoWorkers proxy(2);
  uint32_t flows[2] = {kNoFlow, kNoFlow};
  FourTuple tuples[2];
  for (uint16_t port = 1; flows[0] == kNoFlow || flows[1] == kNoFlow; port++) {
    const Decision decision = proxy.send(0, tupleOf(7, port), longHeader(cidOf(static_cast<uint8_t>(port)), {}));
    flows[decision.backendSlot] = decision.flow;
    tuples[decision.backendSlot] = tupleOf(7, port);
  }
  for (const uint32_t flow : flows) proxy.reply(0, flow, longHeader({}, cidOf(0xd0, 4)));
  for (uint16_t backend = 0; backend < 2; backend++) {
    const Decision decision = proxy.decide(0, tuples[backend], shortHeader(cidOf(0xd0, 4)));
    EXPECT_EQ(decision.rule, Rule::kTuple);
    EXPECT_EQ(decision.backendSlot, backend);
  }
}

TEST(Router, IdleConnectionIdsAreForgotten) {
  TwoWorkers proxy;
  handshake(proxy, tupleOf(7, 1000), cidOf(0x60));
  proxy.nowMs += 999;
  EXPECT_EQ(proxy.decide(1, tupleOf(7, 2000), shortHeader(cidOf(0x60))).rule, Rule::kDcid);
  proxy.nowMs += 1;
  EXPECT_EQ(proxy.decide(1, tupleOf(7, 2000), shortHeader(cidOf(0x60))).rule, Rule::kFallback);
}

TEST(Router, ConnectionIdsOfABackendWhosePlaceWasReusedMatchNoMore) {
  TwoWorkers proxy(3);
  const uint32_t flow = handshake(proxy, tupleOf(7, 1000), cidOf(0x60));
  proxy.epochs()[proxy.table(0).at(flow).backendSlot] = 2;
  EXPECT_NE(proxy.decide(0, tupleOf(7, 2000), shortHeader(cidOf(0x60))).rule, Rule::kDcid);
  EXPECT_NE(proxy.decide(1, tupleOf(7, 2000), shortHeader(cidOf(0x60))).rule, Rule::kDcid);
}

TEST(Router, ADrainedBackendKeepsItsConnectionsAndGetsNoNewOnes) {
  TwoWorkers proxy(2);
  const uint32_t flow = handshake(proxy, tupleOf(7, 1000), cidOf(0x60));
  const uint16_t backend = proxy.table(0).at(flow).backendSlot;
  std::vector<uint32_t> weights = {1, 1};
  weights[backend] = 0;
  proxy.rebuild(weights);
  EXPECT_EQ(proxy.decide(1, tupleOf(8, 1), shortHeader(cidOf(0x60))).backendSlot, backend);
  for (uint16_t port = 1; port < 200; port++) {
    const Decision fresh = proxy.decide(0, tupleOf(9, port), longHeader(cidOf(0xe0), cidOf(1)));
    EXPECT_NE(fresh.backendSlot, backend);
  }
}

TEST(Router, NothingIsRoutedWithoutBackends) {
  TwoWorkers proxy(2);
  proxy.rebuild({0, 0});
  const Decision decision = proxy.decide(0, tupleOf(7, 1000), longHeader(cidOf(1), cidOf(2)));
  EXPECT_EQ(decision.rule, Rule::kNone);
  EXPECT_EQ(decision.form, HeaderForm::kLong);
}

TEST(Router, WhatIsNoQuicIsRoutedByFourTuple) {
  TwoWorkers proxy;
  for (const std::vector<uint8_t>& datagram :
       {std::vector<uint8_t>{}, std::vector<uint8_t>{0x80, 0, 0}, std::vector<uint8_t>{0x01}}) {
    const Decision first = proxy.send(0, tupleOf(7, 1000), datagram);
    const Decision again = proxy.send(0, tupleOf(7, 1000), datagram);
    EXPECT_EQ(again.rule, Rule::kTuple);
    EXPECT_EQ(again.flow, first.flow);
  }
  EXPECT_EQ(proxy.table(0).liveCount(), 1U);
}

TEST(Router, FallbackByFourTupleAgreesAmongWorkersAndSpreads) {
  TwoWorkers proxy(3);
  std::set<uint16_t> seen;
  for (uint16_t port = 1; port < 100; port++) {
    const auto packet = longHeader(cidOf(static_cast<uint8_t>(port)), cidOf(1));
    const Decision here = proxy.decide(0, tupleOf(7, port), packet);
    EXPECT_EQ(here.backendSlot, proxy.decide(1, tupleOf(7, port), packet).backendSlot);
    seen.insert(here.backendSlot);
  }
  EXPECT_EQ(seen.size(), 3U);
}

TEST(Router, FallbackByConnectionIdIgnoresTheAddress) {
  TwoWorkers proxy(100);
  proxy.fallback = Fallback::kConnectionId;
  proxy.cidLength = 8;
  const Decision one = proxy.decide(0, tupleOf(7, 1000), shortHeader(cidOf(0x77)));
  const Decision two = proxy.decide(1, tupleOf(8, 2000), shortHeader(cidOf(0x77)));
  EXPECT_EQ(one.rule, Rule::kFallback);
  EXPECT_EQ(one.backendSlot, two.backendSlot);
}

TEST(Router, TheStatelessProxyHashesTheConnectionIdOfEveryDatagram) {
  TwoWorkers proxy(100);
  proxy.cidLength = 8;
  const RouteView view = proxy.view();
  const auto decide = [&](uint16_t port, const std::vector<uint8_t>& datagram) {
    return proxy.router(0).decideStateless(view, tupleOf(7, port), datagram, 0);
  };
  EXPECT_EQ(decide(1, shortHeader(cidOf(0x77))).backendSlot, decide(2, longHeader(cidOf(0x77), {})).backendSlot);
  std::set<uint16_t> seen;
  for (uint8_t i = 0; i < 50; i++) seen.insert(decide(1, shortHeader(cidOf(i))).backendSlot);
  EXPECT_GT(seen.size(), 20U);
}

TEST(Router, AnEmptyConnectionIdIsNobodysName) {
  TwoWorkers proxy(3);
  const Decision first = proxy.send(0, tupleOf(7, 1000), longHeader({}, {}));
  proxy.reply(0, first.flow, longHeader({}, {}));
  EXPECT_EQ(proxy.table(0).byDcid().occupied(), 0U);
  EXPECT_EQ(proxy.decide(0, tupleOf(7, 1000), shortHeader({})).rule, Rule::kTuple);
}

}  // namespace
}  // namespace quicproxy
