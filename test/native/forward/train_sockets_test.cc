#include "forward/train_sockets.h"

#include <deque>

#include "../io/train_socket.h"
#include "../worker/loopback_fixture.h"

namespace quicproxy {
namespace {

constexpr uint32_t kTrain = 16;

/// At level RawSend, with one worker and a backend of the same family.
class LentSockets : public testing::TestWithParam<int> {
 protected:
  LentSockets() : backend(GetParam()), contract(unusedPort(), {backend.port()}) {
    contract.sample.header.workers = 1;
    if (GetParam() == AF_INET6) contract.useIpv6();
  }

  void SetUp() override {
    plane = startOrFail(contract);
    ASSERT_NE(plane, nullptr);
    if (std::string_view(plane->status().upstreamLevel) != "RawSend") {
      GTEST_SKIP() << "no raw sockets here: " << plane->status().upstreamReason;
    }
  }

  [[nodiscard]] uint64_t sockets() const { return plane->counters()->of(0).get(Gauge::kUpstreamSockets); }

  /// A train of the client's arrives whole and in order, from one port; that port.
  uint16_t upload(const TrainSocket& client, uint32_t seed, uint32_t count = kTrain) {
    std::vector<Octets> datagrams;
    for (uint32_t i = 0; i < count; i++) datagrams.push_back(numbered(1200, seed * 1000 + i));
    EXPECT_TRUE(client.sendTrain(contract.sample.endpoints[0].port, datagrams));
    uint16_t from = 0;
    for (const Octets& datagram : datagrams) {
      const auto arrived = backend.receive();
      if (!arrived) {
        ADD_FAILURE() << "nothing came";
        return 0;
      }
      EXPECT_EQ(arrived->payload, datagram);
      EXPECT_EQ(arrived->trafficClass, 0x01);
      if (from == 0) from = arrived->fromPort;
      EXPECT_EQ(arrived->fromPort, from);
    }
    return from;
  }

  TrainSocket backend;
  LoopbackContract contract;
  std::unique_ptr<DataPlane> plane;
};

TEST_P(LentSockets, CarryTheTrainsOfAHeavyFlowFromItsPortUntilItEnds) {
  const TrainSocket client(GetParam());
  client.setTrafficClass(0x01);
  const uint16_t port = upload(client, 1);
  EXPECT_EQ(counterOf(*plane, Counter::forward_trains), 0U) << "a raw socket sends none";
  const uint64_t before = sockets();
  for (uint32_t i = 2; i < 10; i++) EXPECT_EQ(upload(client, i), port);
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::forward_sent) == 9 * kTrain; }));
  EXPECT_GE(counterOf(*plane, Counter::forward_trains), 6U);
  const Octets answer = numbered(700, 77);
  ASSERT_TRUE(backend.send(port, answer));
  const auto returned = client.receive();
  ASSERT_TRUE(returned);
  EXPECT_EQ(returned->payload, answer);
  contract.next().sample.header.idleTimeoutMs = 1;
  ASSERT_FALSE(plane->apply(contract.bytes()));
  EXPECT_TRUE(eventually([&] { return plane->counters()->of(0).get(Gauge::kFlows) == 0; }));
  EXPECT_LE(sockets(), before) << "the socket went with its flow";
}

TEST_P(LentSockets, AreFewAndTheOtherFlowsGoOnWithout) {
  std::deque<TrainSocket> clients;
  for (uint32_t i = 0; i < TrainSockets::kMaxLent + 6; i++) {
    const TrainSocket& client = clients.emplace_back(GetParam());
    client.setTrafficClass(0x01);
    for (uint32_t seed = 0; seed < 4; seed++) upload(client, 10 * i + seed, 12);
  }
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::forward_sent) == clients.size() * 4 * 12; }));
  EXPECT_EQ(counterOf(*plane, Counter::forward_trains_refused), 0U);
}

TEST_P(LentSockets, GiveNothingToStrangers) {
  const TrainSocket client(GetParam());
  client.setTrafficClass(0x01);
  uint16_t port = 0;
  for (uint32_t i = 1; i < 6; i++) port = upload(client, i);
  const TrainSocket stranger(GetParam());
  ASSERT_TRUE(stranger.send(port, numbered(64, 5)));
  ASSERT_TRUE(backend.send(port, numbered(64, 6)));
  const auto returned = client.receive();
  ASSERT_TRUE(returned);
  EXPECT_EQ(returned->payload, numbered(64, 6));
  EXPECT_EQ(counterOf(*plane, Counter::return_received), 1U);
}

INSTANTIATE_TEST_SUITE_P(Families, LentSockets, testing::Values(AF_INET, AF_INET6),
                         [](const auto& family) { return family.param == AF_INET ? "IPv4" : "IPv6"; });

}  // namespace
}  // namespace quicproxy
