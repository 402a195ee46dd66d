#include "stalled_worker.h"

#include <thread>

#include "loopback_fixture.h"

namespace quicproxy {
namespace {

class StalledWorker : public testing::TestWithParam<Mode> {
 protected:
  static LoopbackContract contractOf(Mode mode, uint16_t port, uint16_t backendPort) {
    LoopbackContract contract(port, {backendPort});
    contract.sample.header.mode = mode;
    contract.sample.header.workers = 1;
    contract.sample.header.receiveBufferBytes = 4 << 20;
    return contract;
  }
};

/// More than a turn's worth waits in the listening socket that a reload takes away.
TEST_P(StalledWorker, WhatAClosingListenerHasReceivedIsForwardedOrCounted) {
  LoopbackSocket backend;
  LoopbackSocket client;
  const uint16_t stays = unusedPort();
  const uint16_t goes = unusedPort();
  LoopbackContract contract = contractOf(GetParam(), stays, backend.port());
  contract.setListeners({stays, goes});
  const auto plane = startOrFail(contract);
  ASSERT_TRUE(client.send(goes, shortPacket(9)));
  ASSERT_TRUE(eventually([&] { return counterOf(*plane, Counter::forward_sent) == 1; }));
  constexpr uint64_t kWaiting = 900;
  std::thread releasing;
  {
    StalledThread worker(GetParam() == Mode::kDecoupled ? "qp-receive-0" : "qp-worker-0");
    if (!worker.stands()) GTEST_SKIP() << "holding a thread needs ptrace";
    for (uint64_t i = 0; i < kWaiting; i++) ASSERT_TRUE(client.send(goes, shortPacket(9)));
    ASSERT_TRUE(client.allDelivered());
    contract.next().setListeners({stays});
    releasing = std::thread([&worker] {
      poll(nullptr, 0, 100);
      worker.release();
    });
    EXPECT_FALSE(plane->apply(contract.bytes()));
    releasing.join();
  }
  EXPECT_TRUE(eventually([&] {
    return counterOf(*plane, Counter::forward_sent) + counterOf(*plane, Counter::hand_off_dropped_ring_full) ==
           1 + kWaiting;
  })) << counterOf(*plane, Counter::forward_sent);
  EXPECT_EQ(counterOf(*plane, Counter::receive_datagrams), 1 + kWaiting);
}

/// It passes over from the first contract to the third: the listener of the second's place is not the first's.
TEST_P(StalledWorker, AJumpOverAContractAnswersNobodyFromAnotherListener) {
  LoopbackSocket backend;
  LoopbackSocket client;
  LoopbackSocket other;
  const uint16_t stays = unusedPort();
  const uint16_t goes = unusedPort();
  const uint16_t comes = unusedPort();
  LoopbackContract contract = contractOf(GetParam(), stays, backend.port());
  contract.setListeners({stays, goes});
  const auto plane = startOrFail(contract);
  ASSERT_TRUE(client.send(goes, shortPacket(1)));
  const auto upstream = backend.receive();
  ASSERT_TRUE(upstream);
  {
    StalledThread worker("qp-worker-0");
    if (!worker.stands()) GTEST_SKIP() << "holding a thread needs ptrace";
    contract.next().setListeners({stays});
    ASSERT_FALSE(plane->apply(contract.bytes()));
    contract.next().setListeners({stays, comes});
    ASSERT_FALSE(plane->apply(contract.bytes()));
  }
  ASSERT_TRUE(other.send(comes, shortPacket(2)));
  const auto seen = backend.receive();
  ASSERT_TRUE(seen);
  // What the backend says to the flow of the listener that is gone, then to the new one: in this order.
  backend.send(upstream->fromPort, shortPacket(3));
  ASSERT_TRUE(backend.send(seen->fromPort, shortPacket(4)));
  const auto answer = other.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->fromPort, comes);
  EXPECT_FALSE(client.receive(0)) << "an answer from a port that the client never asked";
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::return_sent) == 1; }));
}

INSTANTIATE_TEST_SUITE_P(Modes, StalledWorker, testing::Values(Mode::kRunToCompletion, Mode::kDecoupled),
                         [](const auto& mode) {
                           return mode.param == Mode::kDecoupled ? "Decoupled" : "RunToCompletion";
                         });

}  // namespace
}  // namespace quicproxy
