#include "route/learner.h"

#include <gtest/gtest.h>

#include <random>

#include "routing_fixture.h"

namespace quicproxy {
namespace {

const FourTuple kClient = tupleOf(7, 1000);

uint32_t connect(TwoWorkers& proxy, const FourTuple& tuple, const std::vector<uint8_t>& serverCid) {
  const Decision first = proxy.send(0, tuple, longHeader(cidOf(0x10), cidOf(0x20)));
  proxy.reply(0, first.flow, longHeader(cidOf(0x20), serverCid));
  proxy.send(0, tuple, shortHeader(serverCid));
  return first.flow;
}

std::vector<uint8_t> randomCid(std::mt19937& random, size_t length) {
  std::vector<uint8_t> cid(length);
  for (uint8_t& octet : cid) octet = static_cast<uint8_t>(random());
  return cid;
}

TEST(Learner, RebindingFindsTheLatestOfThirtyIdsUsedInTurn) {
  std::mt19937 random(1);
  constexpr uint16_t kClients = 1000;
  TwoWorkers proxy(100, 2048);
  for (uint16_t client = 1; client <= kClients; client++) {
    const FourTuple tuple = tupleOf(7, client);
    const uint32_t flow = connect(proxy, tuple, randomCid(random, 8));
    const uint16_t backend = proxy.table(0).at(flow).backendSlot;
    std::vector<uint8_t> cid;
    for (int used = 0; used < 30; used++) {
      cid = randomCid(random, 8);
      proxy.send(0, tuple, shortHeader(cid));
    }
    for (uint32_t worker = 0; worker < 2; worker++) {
      const Decision moved = proxy.decide(worker, tupleOf(8, client), shortHeader(cid));
      ASSERT_EQ(moved.rule, Rule::kDcid);
      ASSERT_EQ(moved.backendSlot, backend);
    }
  }
  EXPECT_LE(proxy.table(0).byDcid().occupied(), kClients * (1 + FlowHistory::kCids));
}

TEST(Learner, AClientThatTakesAFurtherIdAtOnceIsFoundByItAndKeepsItsServerBesideALaterConnection) {
  TwoWorkers proxy;
  const std::vector<uint8_t> shown = cidOf(0x30);
  const std::vector<uint8_t> further = cidOf(0x40);
  const uint32_t old = proxy.send(0, kClient, longHeader(cidOf(0x10), cidOf(0x20))).flow;
  proxy.reply(0, old, longHeader(cidOf(0x20), shown));
  proxy.send(0, kClient, longHeader(further, cidOf(0x20)));
  EXPECT_EQ(proxy.lesson.claimed, 1U);
  const uint16_t backend = proxy.table(0).at(old).backendSlot;
  for (uint32_t worker = 0; worker < 2; worker++) {
    const Decision moved = proxy.decide(worker, tupleOf(8, 1), shortHeader(further));
    EXPECT_EQ(moved.rule, Rule::kDcid);
    EXPECT_EQ(moved.backendSlot, backend);
  }
  // Its backend takes nothing new, so a second connection of the socket goes elsewhere.
  std::vector<uint32_t> weights(3, 1);
  weights[backend] = 0;
  proxy.rebuild(weights);
  const uint32_t young = proxy.send(0, kClient, longHeader(cidOf(0x50), cidOf(0x60))).flow;
  ASSERT_NE(young, old);
  proxy.reply(0, young, longHeader(cidOf(0x60), cidOf(0x70)));
  proxy.send(0, kClient, longHeader(cidOf(0x80), cidOf(0x60)));
  EXPECT_EQ(proxy.send(0, kClient, shortHeader(cidOf(0x80))).flow, young);
  EXPECT_EQ(proxy.send(0, kClient, shortHeader(further)).flow, old);
}

TEST(Learner, AServerThatSendsMuchHasValidatedItsClient) {
  TwoWorkers proxy;
  const uint32_t flow = proxy.send(0, kClient, longHeader(cidOf(0x10), cidOf(0x20))).flow;
  proxy.reply(0, flow, longHeader(cidOf(0x20), cidOf(0x30)));
  const std::vector<uint8_t> answer = shortHeader(std::vector<uint8_t>(1200));
  int confirmed = 0;
  for (int i = 0; i < 10; i++) confirmed += proxy.reply(0, flow, answer).confirmed ? 1 : 0;
  EXPECT_EQ(confirmed, 1);
  EXPECT_TRUE(proxy.table(0).at(flow).is(kFlowConfirmed));
}

TEST(Learner, ShortLengthsOfOneBackendCostAnotherNothing) {
  TwoWorkers proxy(3);
  for (const size_t length : {1, 2, 3, 5}) {
    connect(proxy, tupleOf(1, static_cast<uint16_t>(length)), cidOf(0x51, length));
  }
  uint32_t found = 0;
  for (uint8_t client = 0; client < 100; client++) {
    std::vector<uint8_t> cid = cidOf(0x60);
    cid[7] = client;
    const uint32_t flow = connect(proxy, tupleOf(2, static_cast<uint16_t>(1 + client)), cid);
    if (flow == kNoFlow) continue;
    const Decision moved = proxy.decide(1, tupleOf(3, 1), shortHeader(cid));
    found += moved.rule == Rule::kDcid && moved.backendSlot == proxy.table(0).at(flow).backendSlot ? 1U : 0U;
    proxy.table(0).remove(flow);
  }
  EXPECT_EQ(found, 100U);
}

TEST(Learner, AShortIdOfAnotherBackendIsNotFoundInALongerUnknownOne) {
  TwoWorkers proxy(2, 4096);
  uint32_t mine = kNoFlow;
  // A backend with IDs of four octets has all that begin with 0x40..0x4f 00 00 00.
  for (uint16_t port = 1; port < 400; port++) {
    std::vector<uint8_t> cid = cidOf(0x61, 12);
    const bool isShort = port % 2 == 0;
    if (isShort) cid = {static_cast<uint8_t>(0x40 + port % 16), 0, 0, static_cast<uint8_t>(port >> 4)};
    cid[cid.size() - 1] = static_cast<uint8_t>(port);
    const uint32_t flow = connect(proxy, tupleOf(5, port), cid);
    if (!isShort && mine == kNoFlow) mine = flow;
  }
  const FourTuple tuple = proxy.table(0).at(mine).tuple;
  for (int next = 0; next < 256; next++) {
    std::vector<uint8_t> unknown(12, 0);
    unknown[0] = static_cast<uint8_t>(0x40 + next % 16);
    unknown[3] = static_cast<uint8_t>(next);
    EXPECT_EQ(proxy.decide(0, tuple, shortHeader(unknown)).backendSlot, proxy.table(0).at(mine).backendSlot);
  }
}

TEST(Learner, EachOfFiveLengthsIsFoundAfterAMove) {
  TwoWorkers proxy(50, 512);
  for (const size_t length : {4, 8, 16, 18, 20}) {
    for (uint8_t n = 0; n < 40; n++) {
      std::vector<uint8_t> cid = cidOf(static_cast<uint8_t>(0x20 + length), length);
      cid[3] = n;
      const uint32_t flow = connect(proxy, tupleOf(static_cast<uint8_t>(length), static_cast<uint16_t>(1 + n)), cid);
      const Decision moved = proxy.decide(1, tupleOf(99, 9), shortHeader(cid));
      EXPECT_EQ(moved.rule, Rule::kDcid) << length;
      EXPECT_EQ(moved.backendSlot, proxy.table(0).at(flow).backendSlot);
    }
  }
}

/// RTP (RFC 3550): the first octet has the form bit of a long header, what follows runs through all values.
std::vector<uint8_t> rtp(std::mt19937& random, uint16_t sequence, uint32_t timestamp) {
  std::vector<uint8_t> packet = randomCid(random, 160);
  packet[0] = 0x80;
  packet[1] = 111;
  packet[2] = static_cast<uint8_t>(sequence >> 8);
  packet[3] = static_cast<uint8_t>(sequence);
  for (int i = 0; i < 4; i++) packet[4 + static_cast<size_t>(i)] = static_cast<uint8_t>(timestamp >> (24 - 8 * i));
  return packet;
}

TEST(Learner, LookAlikesTeachNothingAndGoByTheirTuple) {
  std::mt19937 random(2);
  TwoWorkers proxy(3, 256);
  std::vector<uint8_t> stun = {0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42};
  uint32_t flows[60];
  for (uint32_t client = 0; client < 60; client++) {
    flows[client] = proxy.send(0, tupleOf(1, static_cast<uint16_t>(1 + client)), rtp(random, 0, 0)).flow;
  }
  for (uint16_t n = 1; n < 150; n++) {
    for (uint32_t client = 0; client < 60; client++) {
      const FourTuple tuple = tupleOf(1, static_cast<uint16_t>(1 + client));
      const uint32_t timestamp = uint32_t{n} * 960 + client * 77'777;
      const Decision sent = proxy.send(0, tuple, n % 10 == 0 ? stun : rtp(random, n, timestamp));
      ASSERT_EQ(sent.flow, flows[client]);
      proxy.reply(0, sent.flow, rtp(random, n, timestamp * 7));
    }
  }
  EXPECT_EQ(proxy.table(0).byDcid().occupied(), 0U);
  EXPECT_EQ(proxy.table(0).liveCount(), 60U);
}

/// A client and a server that mirrors each RTP packet: same "version" both ways.
TEST(Learner, MirroredLookAlikesTeachNothing) {
  std::mt19937 random(3);
  TwoWorkers proxy(3);
  const Decision first = proxy.send(0, kClient, rtp(random, 0, 0));
  for (uint16_t n = 1; n < 200; n++) {
    const auto packet = rtp(random, n, uint32_t{n} * 960);
    proxy.send(0, kClient, packet);
    proxy.reply(0, first.flow, packet);
  }
  EXPECT_EQ(proxy.table(0).byDcid().occupied(), 0U);
}

TEST(Learner, UnknownVersionsAreLearnedWhereTheServerAddressesItsClient) {
  TwoWorkers proxy(200);
  const uint32_t version = 0x7a7a7a7a;
  const Decision first = proxy.send(0, kClient, longHeader(cidOf(0x10), cidOf(0x20), version));
  EXPECT_EQ(proxy.reply(0, first.flow, longHeader(cidOf(0x20), cidOf(0xd0), version)).learned, 1U);
  EXPECT_EQ(proxy.decide(1, tupleOf(9, 9), shortHeader(cidOf(0xd0))).backendSlot, first.backendSlot);
}

TEST(Learner, CompatibleVersionNegotiationIsLearned) {
  TwoWorkers proxy(200);
  // RFC 9368: the server answers with another version at once. With an ID of its own the client is known by that,
  const Decision named = proxy.send(0, kClient, longHeader(cidOf(0x10), cidOf(0x20), 1));
  EXPECT_EQ(proxy.reply(0, named.flow, longHeader(cidOf(0x20), cidOf(0xd0), 0x12345678)).learned, 1U);
  // and without one by using the server's.
  const Decision unnamed = proxy.send(0, tupleOf(7, 2), longHeader(cidOf(0x11), {}, 1));
  EXPECT_EQ(proxy.reply(0, unnamed.flow, longHeader({}, cidOf(0xc0), 0x12345678)).learned, 0U);
  proxy.send(0, tupleOf(7, 2), longHeader(cidOf(0xc0), {}, 0x12345678));
  EXPECT_TRUE(proxy.table(0).at(unnamed.flow).is(kFlowConfirmed));
  EXPECT_EQ(proxy.decide(1, tupleOf(9, 9), shortHeader(cidOf(0xc0))).backendSlot, unnamed.backendSlot);
}

TEST(Learner, ForgedVersionsDoNotSilenceAConfirmedFlow) {
  TwoWorkers proxy(200);
  const uint32_t flow = connect(proxy, kClient, cidOf(0xd0));
  for (uint32_t version = 0x1000; version < 0x1010; version++) {
    proxy.send(0, kClient, longHeader(cidOf(0x66), cidOf(0x67), version));
  }
  EXPECT_FALSE(proxy.table(0).at(flow).is(kFlowNoQuic));
  proxy.send(0, kClient, shortHeader(cidOf(0x90)));
  EXPECT_EQ(proxy.decide(1, tupleOf(8, 1), shortHeader(cidOf(0x90))).rule, Rule::kDcid)
      << "its next ID is still learned";
}

TEST(Learner, WhatAnybodyMayHaveBegunIsNotForTheKernelsMap) {
  TwoWorkers proxy(200);
  const Decision first = proxy.send(0, kClient, longHeader(cidOf(0x10), cidOf(0x20)));
  EXPECT_TRUE(proxy.reply(0, first.flow, longHeader(cidOf(0x20), cidOf(0xd0))).forSteering.empty());
  proxy.send(0, kClient, shortHeader(cidOf(0xd0)));
  EXPECT_EQ(proxy.lesson.forSteering.size(), 8U) << "once its client has used it";
  uint32_t calls = 0;
  for (uint8_t n = 0; n < 100; n++) {
    proxy.send(0, kClient, shortHeader(cidOf(static_cast<uint8_t>(0x20 + n))));
    calls += proxy.lesson.forSteering.empty() ? 0U : 1U;
  }
  EXPECT_LE(calls, 1U) << "of 100 IDs within a moment";
}

TEST(Learner, AMovedPathThatSettledIsKeptAsLongAsAConfirmedOne) {
  TwoWorkers proxy(200);
  connect(proxy, kClient, cidOf(0xd0));
  const Decision moved = proxy.send(0, tupleOf(8, 1), shortHeader(cidOf(0xd0)));
  const Flow& flow = proxy.table(0).at(moved.flow);
  EXPECT_EQ(path_proof::idleMs(flow, 120'000), kUnconfirmedIdleMs);
  for (int round = 0; round < kMovedPathRounds; round++) {
    proxy.reply(0, moved.flow, shortHeader(cidOf(0x20)));
    proxy.send(0, tupleOf(8, 1), shortHeader(cidOf(0xd0)));
  }
  EXPECT_EQ(path_proof::idleMs(flow, 120'000), 120'000U);
}

TEST(Learner, AnIdConfirmsOnlyTheFlowThatItWasShownOn) {
  TwoWorkers proxy(3);
  const auto own = cidOf(0xd0);
  connect(proxy, kClient, own);
  const Decision spoofed = proxy.send(0, tupleOf(66, 1), shortHeader(own));
  for (int i = 0; i < 10; i++) proxy.send(0, tupleOf(66, 1), shortHeader(own));
  EXPECT_FALSE(proxy.table(0).at(spoofed.flow).is(kFlowConfirmed));
}

TEST(Learner, AForgedDatagramLeavesTheVictimsTupleAsItIs) {
  TwoWorkers proxy(50, 256);
  const FourTuple victim = tupleOf(1, 1);
  const uint32_t flow = connect(proxy, victim, cidOf(0xd0));
  const uint16_t own = proxy.table(0).at(flow).backendSlot;
  // The attacker's own connections, to other backends, from the victim's address.
  for (uint16_t port = 1; port < 100; port++) {
    std::vector<uint8_t> cid = cidOf(0xb0);
    cid[7] = static_cast<uint8_t>(port);
    const uint32_t his = connect(proxy, tupleOf(2, port), cid);
    if (proxy.table(0).at(his).backendSlot == own) continue;
    const Decision forged = proxy.send(0, victim, shortHeader(cid));
    if (forged.flow == kNoFlow) break;  // the victim's tuple has no room for more
    proxy.reply(0, forged.flow, shortHeader(cidOf(0x99)));
    proxy.send(0, victim, shortHeader(cid));
    ASSERT_EQ(proxy.send(0, victim, shortHeader(cidOf(0xd0))).flow, flow);
    ASSERT_EQ(proxy.decide(0, victim, shortHeader(cidOf(0x77))).flow, flow) << "an ID that nobody knows yet";
  }
}

TEST(Learner, IdsOfEvictedFlowsMakeRoomForThoseOfConfirmedOnes) {
  constexpr uint32_t kFlows = 2000;
  std::mt19937 random(5);
  TwoWorkers proxy(3, kFlows);
  FlowTable& table = proxy.table(0);
  const auto makeRoom = [&] {
    if (table.full()) table.remove(table.oldestEvictable());
  };
  // Real servers answer spoofed first flights.
  for (uint32_t n = 0; n < 10 * kFlows; n++) {
    makeRoom();
    const auto scid = randomCid(random, 8);
    const FourTuple tuple = tupleOf(static_cast<uint8_t>(n >> 14), static_cast<uint16_t>(1 + n % 16'384));
    const Decision stranger = proxy.send(0, tuple, longHeader(randomCid(random, 8), scid));
    proxy.reply(0, stranger.flow, longHeader(scid, randomCid(random, 8)));
  }
  uint32_t learned = 0;
  for (uint16_t n = 0; n < 200; n++) {
    makeRoom();
    const auto cid = randomCid(random, 8);
    connect(proxy, tupleOf(200, static_cast<uint16_t>(1 + n)), cid);
    learned += proxy.decide(1, tupleOf(201, 1), shortHeader(cid)).rule == Rule::kDcid ? 1U : 0U;
  }
  EXPECT_EQ(learned, 200U);
}

TEST(Learner, WhatClientsClaimNeverPushesOutWhatBackendsShowed) {
  constexpr uint32_t kFlows = 500;
  std::mt19937 random(6);
  TwoWorkers proxy(3, kFlows);
  std::vector<std::vector<uint8_t>> shown;
  for (uint16_t n = 0; n < kFlows; n++) {
    shown.push_back(randomCid(random, 8));
    connect(proxy, tupleOf(1, static_cast<uint16_t>(1 + n)), shown.back());
  }
  for (uint32_t n = 0; n < 20 * kFlows; n++) {
    proxy.send(0, tupleOf(1, static_cast<uint16_t>(1 + n % kFlows)), shortHeader(randomCid(random, 8)));
  }
  uint32_t found = 0;
  for (const auto& cid : shown) found += proxy.decide(1, tupleOf(9, 9), shortHeader(cid)).rule == Rule::kDcid ? 1U : 0U;
  EXPECT_EQ(found, kFlows);
}

TEST(Learner, FlowsStayInTheirIndexesForTwentyDays) {
  TwoWorkers proxy(200);
  proxy.idleMs = 120'000;
  const uint32_t flow = connect(proxy, kClient, cidOf(0xd0));
  for (uint32_t minute = 0; minute < 40 * 24 * 60; minute++) {
    proxy.nowMs += 60'000;
    if (minute % 600 != 0) {
      proxy.table(0).at(flow).see(proxy.nowMs);
      continue;
    }
    ASSERT_EQ(proxy.send(0, kClient, shortHeader(cidOf(static_cast<uint8_t>(minute)))).flow, flow) << minute;
    ASSERT_EQ(proxy.table(0).findByPath(kClient, proxy.table(0).at(flow).backendSlot), flow);
  }
  EXPECT_EQ(proxy.table(0).liveCount(), 1U);
}

}  // namespace
}  // namespace quicproxy
