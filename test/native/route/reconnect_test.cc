#include <gtest/gtest.h>

#include "routable_workers.h"

namespace quicproxy {
namespace {

/* A client begins another connection from the same socket while its backend takes none any more. */

const FourTuple kClient = tupleOf(7, 1000);

/// A confirmed connection of the client; tells its backend.
uint16_t connect(TwoWorkers& proxy, const std::vector<uint8_t>& scid, const std::vector<uint8_t>& serverCid) {
  const Decision first = proxy.send(0, kClient, longHeader(cidOf(0xe1), scid));
  proxy.reply(0, first.flow, longHeader(scid, serverCid));
  proxy.send(0, kClient, shortHeader(serverCid));
  EXPECT_TRUE(proxy.table(0).at(first.flow).is(kFlowConfirmed));
  return first.backendSlot;
}

std::vector<uint32_t> without(uint16_t backend, uint16_t backends) {
  std::vector<uint32_t> weights(backends, 1);
  weights[backend] = 0;
  return weights;
}

class Reconnect : public testing::TestWithParam<bool> {
 protected:
  /// The client's own ID, of length zero or fresh for each connection.
  [[nodiscard]] std::vector<uint8_t> scid(uint8_t n) const { return GetParam() ? std::vector<uint8_t>{} : cidOf(n); }
};

TEST_P(Reconnect, GoesToABackendThatTakesNewOnesAndKnownIdsToTheFormer) {
  TwoWorkers proxy(2);
  const auto serverCid = cidOf(0xd0);
  const uint16_t former = connect(proxy, scid(0x20), serverCid);
  proxy.rebuild(without(former, 2));
  for (uint8_t n = 0; n < 5; n++) {
    const auto initial = longHeader(cidOf(static_cast<uint8_t>(0x90 + n)), scid(static_cast<uint8_t>(0x40 + n)));
    const Decision fresh = proxy.send(0, kClient, initial);
    EXPECT_NE(fresh.backendSlot, former);
    EXPECT_EQ(proxy.send(0, kClient, initial).flow, fresh.flow) << "a repeated first flight";
    EXPECT_EQ(proxy.send(0, kClient, shortHeader(serverCid)).backendSlot, former);
  }
  EXPECT_EQ(proxy.table(0).liveCount(), 2U);
}

TEST_P(Reconnect, TheNewConnectionGetsTheUnknownIdsOnceItIsConfirmed) {
  TwoWorkers proxy(2);
  const uint16_t former = connect(proxy, scid(0x20), cidOf(0xd0));
  proxy.rebuild(without(former, 2));
  const Decision fresh = proxy.send(0, kClient, longHeader(cidOf(0x91), scid(0x41)));
  EXPECT_EQ(proxy.decide(0, kClient, shortHeader(cidOf(0x77))).backendSlot, former)
      << "what can be forged changes nothing";
  proxy.reply(0, fresh.flow, longHeader(scid(0x41), cidOf(0xc0)));
  proxy.send(0, kClient, shortHeader(cidOf(0xc0)));
  EXPECT_EQ(proxy.decide(0, kClient, shortHeader(cidOf(0x77))).backendSlot, fresh.backendSlot);
}

TEST_P(Reconnect, AFirstFlightUnderWayStaysWithABackendThatTakesNoneAnyMore) {
  TwoWorkers proxy(2);
  const auto initial = longHeader(cidOf(0xe1), scid(0x20));
  const Decision first = proxy.send(0, kClient, initial);
  proxy.rebuild(without(first.backendSlot, 2));
  EXPECT_EQ(proxy.send(0, kClient, initial).flow, first.flow);
}

INSTANTIATE_TEST_SUITE_P(ClientIds, Reconnect, testing::Values(false, true),
                         [](const auto& client) { return client.param ? "Zero" : "Fresh"; });

TEST(ReconnectRoutable, ARandomFirstIdThatDecodesToABackendThatTakesNoneIsNobodys) {
  RoutableWorkers proxy;
  proxy.rebuild({0, 1, 1});
  const auto decoding = proxy.cid(0, 0, 5);
  EXPECT_NE(proxy.send(0, kClient, longHeader(decoding, cidOf(2))).backendSlot, 0);
  EXPECT_EQ(proxy.decide(0, tupleOf(8, 1), shortHeader(decoding)).backendSlot, 0) << "a connection of before";
}

TEST(ReconnectRoutable, AHandshakeUnderWayStaysWithABackendThatTakesNoneAnyMore) {
  RoutableWorkers proxy;
  const Decision first = proxy.send(0, kClient, longHeader(proxy.cid(0, 0, 5), {}));
  ASSERT_EQ(first.backendSlot, 0);
  const auto chosen = proxy.cid(0, 0, 9);
  proxy.reply(0, first.flow, longHeader({}, chosen));
  proxy.rebuild({0, 1, 1});
  EXPECT_EQ(proxy.send(0, kClient, longHeader(proxy.cid(0, 0, 5), {})).flow, first.flow) << "the first flight again";
  EXPECT_EQ(proxy.send(0, kClient, longHeader(chosen, {})).flow, first.flow) << "its server's ID";
}

TEST(ReconnectRoutable, WithNobodyToTakeItANewConnectionIsDropped) {
  TwoWorkers proxy(2);
  connect(proxy, cidOf(0x20), cidOf(0xd0));
  proxy.rebuild({0, 0});
  EXPECT_EQ(proxy.decide(0, kClient, longHeader(cidOf(0x90), cidOf(0x40))).rule, Rule::kNone);
  EXPECT_EQ(proxy.decide(0, kClient, shortHeader(cidOf(0xd0))).rule, Rule::kDcid);
}

}  // namespace
}  // namespace quicproxy
