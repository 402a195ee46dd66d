#include <gtest/gtest.h>

#include <set>

#include "routing_fixture.h"

namespace quicproxy {
namespace {

const uint8_t kKey[16] = {0x8f, 0x95, 0xf0, 0x92, 0x45, 0x76, 0x5f, 0x80,
                          0x25, 0x69, 0x34, 0xe5, 0x0c, 0x66, 0x20, 0x7f};

ServerId serverOf(uint16_t backend, uint8_t length) {
  ServerId server;
  server.length = length;
  for (uint8_t i = 0; i < length; i++) server.octets[i] = static_cast<uint8_t>(0xa0 + backend);
  return server;
}

/// Three backends; rotation 0 in plain text (3+4), 1 single pass (8+8), 2 four passes (4+7).
class RoutableWorkers : public TwoWorkers {
 public:
  RoutableWorkers() : TwoWorkers(3) {
    add(0, QuicLbConfig(3, 4, nullptr));
    add(1, QuicLbConfig(8, 8, kKey));
    add(2, QuicLbConfig(4, 7, kKey));
  }

  std::vector<uint8_t> cid(uint8_t rotation, uint16_t backend, uint8_t nonce, size_t extra = 0) const {
    const QuicLbConfig& config = configs_[rotation];
    const std::vector<uint8_t> nonces(config.nonceLength(), nonce);
    const auto made = config.encode(serverOf(backend, config.serverIdLength()), nonces,
                                    static_cast<uint8_t>(rotation << 5 | (nonce & 0x1f)));
    std::vector<uint8_t> cid(made.begin(), made.begin() + static_cast<ptrdiff_t>(config.cidLength()));
    cid.resize(cid.size() + extra, 0x99);
    return cid;
  }

 private:
  void add(uint8_t rotation, const QuicLbConfig& config) {
    std::vector<std::pair<ServerId, uint16_t>> servers;
    for (uint16_t backend = 0; backend < 3; backend++) {
      servers.emplace_back(serverOf(backend, config.serverIdLength()), backend);
    }
    quicLb.add(rotation, config, ServerIds(servers));
    configs_[rotation] = config;
  }

  QuicLbConfig configs_[3];
};

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
