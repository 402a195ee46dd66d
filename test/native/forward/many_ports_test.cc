#include <deque>

#include "../worker/loopback_fixture.h"

namespace quicproxy {
namespace {

constexpr uint32_t kFlows = 2112;
/// Flows that come to one backend in a row, by the Connection ID that they share.
constexpr uint32_t kInARow = 4;
/// One proxy in eight used to refuse some.
constexpr int kProxies = 12;

/// Flows of all backends take ports in one turn, so that what is free toward one backend may lie behind several hundred
/// ports that are not.
TEST(ManyPorts, NoFlowIsRefusedWhileThereAreFreeOnes) {
  std::deque<LoopbackSocket> clients;
  LoopbackSocket backends[3];
  for (int proxy = 0; proxy < kProxies; proxy++) {
    LoopbackContract contract(unusedPort(), {backends[0].port(), backends[1].port(), backends[2].port()});
    contract.sample.header.workers = 1;
    contract.sample.header.flowMemoryBytes = 8 << 20;
    contract.sample.header.newFlowsPerSecond = 1'000'000;
    const auto plane = startOrFail(contract);
    ASSERT_NE(plane, nullptr);
    if (std::string_view(plane->status().upstreamLevel) != "RawSend") {
      GTEST_SKIP() << "no raw sockets here: " << plane->status().upstreamReason;
    }
    // Not before: the start of a proxy raises the limit on open files.
    while (clients.size() < kFlows) clients.emplace_back();
    for (uint32_t i = 0; i < kFlows; i++) {
      std::vector<uint8_t> packet = shortPacket(1);
      const uint32_t cid = i / kInARow;
      std::memcpy(packet.data() + 1, &cid, sizeof cid);
      ASSERT_TRUE(clients[i].send(contract.sample.endpoints[0].port, packet));
      if (i % 64 != 63) continue;
      ASSERT_TRUE(eventually([&] { return counterOf(*plane, Counter::receive_datagrams) == i + 1; }));
    }
    EXPECT_TRUE(eventually([&] {
      return counterOf(*plane, Counter::flow_created) + counterOf(*plane, Counter::route_dropped_no_socket) == kFlows;
    }));
    EXPECT_EQ(counterOf(*plane, Counter::route_dropped_no_socket), 0U);
  }
}

}  // namespace
}  // namespace quicproxy
