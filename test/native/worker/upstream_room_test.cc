#include <deque>

#include "../network/network_namespace.h"
#include "loopback_fixture.h"

namespace quicproxy {
namespace {

/// A proxy at level RawSend with few source ports.
class UpstreamRoom : public testing::Test {
 protected:
  UpstreamRoom() : contract(unusedPort(), {backends[0].port(), backends[1].port()}) {
    contract.sample.header.workers = 1;
    contract.sample.header.flowMemoryBytes = 8 << 20;
    contract.sample.header.newFlowsPerSecond = 1'000'000;
    setBlocks(1);
  }

  /// Neither in the default range nor among the ports that the kernel picks: no other test is there.
  void setBlocks(uint16_t blocks) {
    contract.sample.header.upstreamPortFirst = 9216;
    contract.sample.header.upstreamPortLast = static_cast<uint16_t>(9216 + 256 * blocks - 1);
  }
  [[nodiscard]] uint16_t port() const { return contract.sample.endpoints[0].port; }
  void SetUp() override {
    plane = startOrFail(contract);
    ASSERT_NE(plane, nullptr);
    if (std::string_view(plane->status().upstreamLevel) != "RawSend") {
      GTEST_SKIP() << "no raw sockets here: " << plane->status().upstreamReason;
    }
  }
  void apply() {
    const auto failure = plane->apply(contract.next().bytes());
    ASSERT_FALSE(failure) << failure->detail;
  }
  void serveOnly(uint32_t backend) {
    for (uint32_t i = 0; i < 2; i++) contract.sample.backends[i].weight = i == backend ? 1 : 0;
    apply();
  }
  /// Datagrams of so many clients that nobody has seen before, each with a Connection ID of its own.
  void flood(uint32_t count) {
    const uint64_t before = counterOf(*plane, Counter::receive_datagrams);
    for (uint32_t i = 1; i <= count; i++) {
      LoopbackSocket& client = clients.emplace_back();
      std::vector<uint8_t> packet = shortPacket(1);
      const auto cid = static_cast<uint32_t>(clients.size());
      std::memcpy(packet.data() + 1, &cid, sizeof cid);
      ASSERT_TRUE(client.send(port(), packet));
      if (i % 64 != 0 && i != count) continue;
      ASSERT_TRUE(eventually([&] { return counterOf(*plane, Counter::receive_datagrams) == before + i; }));
    }
    const auto settled = [this] {
      return counterOf(*plane, Counter::forward_sent) + counterOf(*plane, Counter::route_dropped_no_socket) ==
             counterOf(*plane, Counter::receive_datagrams);
    };
    ASSERT_TRUE(eventually(settled));
  }

  LoopbackSocket backends[2];
  LoopbackContract contract;
  std::unique_ptr<DataPlane> plane;
  std::deque<LoopbackSocket> clients;
};

/// Those in the way are found by the ports that they have, however many older flows to other backends there are.
TEST_F(UpstreamRoom, AnUnansweredFlowToTheSameBackendGivesWayBehindThousandsToOthers) {
  serveOnly(0);
  flood(200);
  serveOnly(1);
  flood(400);
  EXPECT_EQ(counterOf(*plane, Counter::route_dropped_no_socket), 0U);
  EXPECT_GE(counterOf(*plane, Counter::flow_evicted), 400U - 255U);
  EXPECT_EQ(counterOf(*plane, Counter::flow_evicted), counterOf(*plane, Counter::flow_no_source_port));
}

TEST_F(UpstreamRoom, ConfirmedFlowsDoNotGiveWay) {
  serveOnly(1);
  constexpr uint8_t kConfirmed = 100;
  for (uint8_t i = 0; i < kConfirmed; i++) {
    ASSERT_NE(confirmedConnection(clients.emplace_back(), backends[1], port(), static_cast<uint8_t>(1 + i)), 0);
  }
  flood(600);
  EXPECT_EQ(counterOf(*plane, Counter::route_dropped_no_socket), 0U);
  const uint64_t sent = counterOf(*plane, Counter::forward_sent);
  for (uint8_t i = 0; i < kConfirmed; i++) {
    ASSERT_TRUE(clients[i].send(port(), shortPacket(static_cast<uint8_t>(1 + i))));
  }
  ASSERT_TRUE(eventually([&] { return counterOf(*plane, Counter::forward_sent) == sent + kConfirmed; }));
  EXPECT_EQ(counterOf(*plane, Counter::flow_created), 700U) << "a confirmed flow had to be made again";
}

class UpstreamBlocks : public UpstreamRoom {
 protected:
  UpstreamBlocks() { setBlocks(2); }
};

/// A worker has claimed all there is: another one joins all the same, and gets a block as soon as its flows are over.
TEST_F(UpstreamBlocks, AWorkerThatJoinsGetsABlockOfOneThatHasThemAll) {
  serveOnly(1);
  flood(400);
  contract.sample.header.workers = 2;
  apply();
  EXPECT_EQ(plane->status().workers, 2U);
  // What goes on goes over to ports of the block that stays; what does not gives way to it.
  const auto servesSome = [this] { return countersOf(*plane, Counter::flow_created)[1] > 0; };
  for (int i = 0; i < 200 && !servesSome(); i++) {
    flood(16);
    poll(nullptr, 0, 50);
  }
  EXPECT_TRUE(servesSome());
  EXPECT_EQ(counterOf(*plane, Counter::flow_socket_error), 0U);
}

/// The places of a snapshot are 255, and a host may have more addresses one after the other.
TEST(UpstreamSources, PlacesOfAddressesThatAreNoMoreAreUsedAgain) {
  const bool allowed = inNetworkNamespace([] {
    ASSERT_TRUE(ip("link set lo up") && ip("link add d0 type veth peer name d1") && ip("link set d0 up") &&
                ip("link set d1 up"));
    ASSERT_TRUE(ip("addr add 10.79.0.1/16 dev d0"));
    LoopbackContract contract(unusedPort(), {4433});
    const uint8_t backend[16] = {10, 79, 255, 1};
    std::memcpy(contract.sample.backends[0].address, backend, sizeof backend);
    contract.sample.header.workers = 1;
    const auto plane = startOrFail(contract);
    ASSERT_NE(plane, nullptr);
    std::string present = "10.79.0.1";
    for (int i = 1; i <= 600; i++) {
      const std::string next = "10.79." + std::to_string(1 + i / 250) + "." + std::to_string(1 + i % 250);
      ASSERT_TRUE(ip("addr add " + next + "/32 dev d0") &&
                  ip("addr del " + present + (i == 1 ? "/16" : "/32") + " dev d0"));
      ASSERT_TRUE(ip("route replace 10.79.255.1/32 dev d0 src " + next));
      present = next;
      const auto failure = plane->apply(contract.next().bytes());
      ASSERT_FALSE(failure) << failure->detail;
      const std::vector<std::string> sources = plane->status().backends[0].sources;
      ASSERT_EQ(sources, std::vector<std::string>{present}) << i;
    }
  });
  if (!allowed) GTEST_SKIP() << "network namespaces need CAP_SYS_ADMIN";
}

}  // namespace
}  // namespace quicproxy
