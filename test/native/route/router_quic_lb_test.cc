#include <gtest/gtest.h>

#include <set>

#include "routable_workers.h"

namespace quicproxy {
namespace {

TEST(RouterQuicLb, ARoutableIdReachesItsBackendFromAnyAddressOnAnyWorker) {
  RoutableWorkers proxy;
  uint16_t port = 1;
  for (const uint8_t rotation : {uint8_t{0}, uint8_t{1}, uint8_t{2}}) {
    for (uint16_t backend = 0; backend < 3; backend++) {
      for (uint8_t nonce = 0; nonce < 3; nonce++) {
        for (const auto& datagram : {shortHeader(proxy.cid(rotation, backend, nonce)),
                                     longHeader(proxy.cid(rotation, backend, nonce, 2), cidOf(1))}) {
          const Decision decision = proxy.send(port % 2, tupleOf(7, port), datagram);
          EXPECT_EQ(decision.rule, Rule::kQuicLb);
          EXPECT_EQ(decision.backendSlot, backend);
          port++;
        }
      }
    }
  }
  EXPECT_EQ(proxy.table(0).byDcid().occupied() + proxy.table(1).byDcid().occupied(), 0U) << "they need no entry";
}

TEST(RouterQuicLb, ANewIdOnANewAddressIsTheSameBackendOverANewPath) {
  RoutableWorkers proxy;
  const Decision before = proxy.send(0, tupleOf(7, 1), shortHeader(proxy.cid(1, 2, 10)));
  const Decision after = proxy.send(1, tupleOf(8, 2), shortHeader(proxy.cid(1, 2, 11)));
  EXPECT_EQ(after.backendSlot, before.backendSlot);
  const Decision again = proxy.send(1, tupleOf(8, 2), shortHeader(proxy.cid(1, 2, 12)));
  EXPECT_EQ(again.flow, after.flow) << "one path, one upstream port, whatever the ID";
}

TEST(RouterQuicLb, WhatIsNotRoutableGoesOnThroughTheOrderAndSaysWhy) {
  RoutableWorkers proxy;
  const auto outcomeOf = [&proxy](const std::vector<uint8_t>& datagram) {
    const Decision decision = proxy.decide(0, tupleOf(7, 1), datagram);
    EXPECT_EQ(decision.rule, Rule::kFallback);
    return decision.quicLb;
  };
  for (size_t length = 0; length < 21; length++) {
    std::vector<uint8_t> reserved(length, 0xff);
    const auto expected = length == 0 ? QuicLbRouting::Outcome::kTooShort : QuicLbRouting::Outcome::kNoConfig;
    EXPECT_EQ(outcomeOf(longHeader(reserved, {})), expected) << "0b111 is never routable";
  }
  EXPECT_EQ(outcomeOf(longHeader({0x60, 1, 2, 3, 4, 5, 6, 7}, {})), QuicLbRouting::Outcome::kNoConfig);
  auto cut = proxy.cid(1, 0, 1);
  cut.pop_back();
  EXPECT_EQ(outcomeOf(longHeader(cut, {})), QuicLbRouting::Outcome::kTooShort);
  EXPECT_EQ(outcomeOf(shortHeader({0x00, 1, 1, 1, 1, 1, 1, 1})), QuicLbRouting::Outcome::kUnknownServer);
}

TEST(RouterQuicLb, ARoutableIdBeatsWhatTheTablesSay) {
  RoutableWorkers proxy;
  const Decision first = proxy.send(0, tupleOf(7, 1), longHeader(cidOf(0xf0), cidOf(0x20)));
  const auto other = static_cast<uint16_t>((first.backendSlot + 1) % 3);
  const Decision routed = proxy.send(0, tupleOf(7, 1), longHeader(proxy.cid(0, other, 1), cidOf(0x20)));
  EXPECT_EQ(routed.rule, Rule::kQuicLb);
  EXPECT_EQ(routed.backendSlot, other);
}

TEST(RouterQuicLb, ARoutableIdDeletesNothing) {
  // A heuristic that drops state when a routable ID is seen lets a spoofed datagram cut a connection.
  RoutableWorkers proxy;
  const FourTuple victim = tupleOf(7, 1);
  const Decision first = proxy.send(0, victim, longHeader(cidOf(0xf0), cidOf(0x20)));
  for (uint8_t i = 0; i < 50; i++) {
    proxy.send(0, victim, shortHeader(proxy.cid(1, static_cast<uint16_t>((first.backendSlot + 1) % 3), i)));
  }
  const Decision still = proxy.decide(0, victim, longHeader(cidOf(0xf0), cidOf(0x20)));
  EXPECT_EQ(still.flow, first.flow);
  EXPECT_EQ(still.backendSlot, first.backendSlot);
}

TEST(RouterQuicLb, RandomIdsSpreadEvenlyWhenUnroutable) {
  RoutableWorkers proxy;
  std::set<uint16_t> seen;
  for (uint16_t i = 0; i < 300; i++) {
    seen.insert(proxy.decide(0, tupleOf(7, i), longHeader(cidOf(static_cast<uint8_t>(0xe0 + i % 32)), {})).backendSlot);
  }
  EXPECT_EQ(seen.size(), 3U);
}

}  // namespace
}  // namespace quicproxy
