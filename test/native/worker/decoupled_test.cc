#include <atomic>
#include <thread>

#include "../io/thread_failure.h"
#include "../io/train_socket.h"
#include "loopback_fixture.h"

namespace quicproxy {
namespace {

LoopbackContract decoupled(uint16_t port, const std::vector<uint16_t>& backendPorts, uint32_t workers = 2) {
  LoopbackContract contract(port, backendPorts);
  contract.sample.header.mode = Mode::kDecoupled;
  contract.sample.header.workers = workers;
  return contract;
}

/// Sum of the outcomes of a stage that a datagram from a client passes.
uint64_t parsed(const DataPlane& plane) {
  uint64_t sum = 0;
  for (const Counter counter :
       {Counter::parse_long_header, Counter::parse_short_header, Counter::parse_malformed, Counter::parse_empty}) {
    sum += counterOf(plane, counter);
  }
  return sum;
}

void expectConserved(const DataPlane& plane) {
  EXPECT_TRUE(eventually([&] {
    return counterOf(plane, Counter::receive_datagrams) ==
           counterOf(plane, Counter::hand_off_dropped_ring_full) + parsed(plane);
  })) << counterOf(plane, Counter::receive_datagrams)
      << " received, " << counterOf(plane, Counter::hand_off_dropped_ring_full) << " dropped, " << parsed(plane)
      << " parsed";
}

TEST(Decoupled, ADatagramGoesToTheBackendAndTheAnswerComesFromTheListener) {
  LoopbackSocket backend;
  LoopbackSocket client;
  const uint16_t port = unusedPort();
  const auto plane = startOrFail(decoupled(port, {backend.port()}));
  for (uint8_t i = 1; i < 100; i++) {
    ASSERT_TRUE(client.send(port, shortPacket(i, 1200)));
    const auto seen = backend.receive(10'000);
    ASSERT_TRUE(seen) << i;
    EXPECT_EQ(seen->payload, shortPacket(i, 1200));
    ASSERT_TRUE(backend.send(seen->fromPort, shortPacket(i, 1000)));
    const auto answer = client.receive(10'000);
    ASSERT_TRUE(answer) << i;
    EXPECT_EQ(answer->payload, shortPacket(i, 1000));
    EXPECT_EQ(answer->fromPort, port);
  }
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::return_sent) == 99; }));
  EXPECT_EQ(counterOf(*plane, Counter::receive_datagrams), 99U);
  EXPECT_EQ(counterOf(*plane, Counter::receive_bytes), 99U * 1200);
  EXPECT_EQ(counterOf(*plane, Counter::forward_sent), 99U);
  EXPECT_EQ(counterOf(*plane, Counter::hand_off_dropped_ring_full), 0U);
  expectConserved(*plane);
}

TEST(Decoupled, TrainsArriveInOrderAcrossTheEndOfTheRing) {
  const TrainSocket client;
  const TrainSocket backend;
  LoopbackContract contract = decoupled(unusedPort(), {backend.port()}, 1);
  contract.sample.header.upstreamLevel = UpstreamLevel::kSockets;
  const uint16_t port = contract.sample.endpoints[0].port;
  const auto plane = startOrFail(contract);
  constexpr uint32_t kTrains = 3 * Receiver::kRingMessages / 2;
  for (uint32_t train = 0; train < kTrains; train++) {
    std::vector<Octets> datagrams;
    for (uint32_t i = 0; i < 3; i++) datagrams.push_back(numbered(200, 3 * train + i));
    ASSERT_TRUE(client.sendTrain(port, datagrams));
    for (const Octets& datagram : datagrams) {
      const auto arrived = backend.receive(10'000);
      ASSERT_TRUE(arrived);
      ASSERT_EQ(arrived->payload, datagram);
    }
  }
  EXPECT_EQ(counterOf(*plane, Counter::receive_trains), kTrains);
  EXPECT_EQ(counterOf(*plane, Counter::receive_datagrams), 3 * kTrains);
  expectConserved(*plane);
}

TEST(Decoupled, ListenersComeAndGoByReload) {
  LoopbackSocket backend;
  LoopbackSocket client;
  const uint16_t first = unusedPort();
  const uint16_t second = unusedPort();
  LoopbackContract contract = decoupled(first, {backend.port()});
  const auto plane = startOrFail(contract);
  client.send(first, shortPacket(1));
  EXPECT_TRUE(backend.receive(10'000));
  contract.next().setListeners({first, second});
  ASSERT_FALSE(plane->apply(contract.bytes()));
  client.send(second, shortPacket(1));
  EXPECT_TRUE(backend.receive(10'000));
  contract.next().setListeners({second});
  ASSERT_FALSE(plane->apply(contract.bytes()));
  EXPECT_TRUE(LoopbackSocket(first).bound()) << "the port is free again";
  client.send(second, shortPacket(1));
  EXPECT_TRUE(backend.receive(10'000));
  expectConserved(*plane);
}

/// What a listener had received when the reload took it away is forwarded.
TEST(Decoupled, AListenerThatGoesIsEmptiedFirst) {
  LoopbackSocket backend;
  LoopbackSocket client;
  const uint16_t stays = unusedPort();
  const uint16_t goes = unusedPort();
  LoopbackContract contract = decoupled(stays, {backend.port()}, 1);
  contract.setListeners({stays, goes});
  const auto plane = startOrFail(contract);
  ASSERT_TRUE(client.send(goes, shortPacket(9)));
  ASSERT_TRUE(eventually([&] { return counterOf(*plane, Counter::forward_sent) == 1; }));
  for (uint32_t round = 0; round < 20; round++) {
    const uint64_t before = counterOf(*plane, Counter::forward_sent);
    for (int i = 0; i < 50; i++) ASSERT_TRUE(client.send(goes, shortPacket(9)));
    ASSERT_TRUE(client.allDelivered());
    contract.next().setListeners({stays});
    ASSERT_FALSE(plane->apply(contract.bytes()));
    EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::forward_sent) == before + 50; }))
        << counterOf(*plane, Counter::forward_sent) - before << " of 50 in round " << round;
    contract.next().setListeners({stays, goes});
    ASSERT_FALSE(plane->apply(contract.bytes()));
  }
  expectConserved(*plane);
}

TEST(Decoupled, TrafficSurvivesAStormOfReloadsOfBackendsAndListeners) {
  LoopbackSocket stays;
  LoopbackSocket comesAndGoes;
  LoopbackSocket client;
  const uint16_t port = unusedPort();
  const uint16_t other = unusedPort();
  LoopbackContract contract = decoupled(port, {stays.port()});
  const auto plane = startOrFail(contract);
  std::atomic<bool> done{false};
  std::thread echo([&] {
    while (!done) {
      if (const auto seen = stays.receive(20)) stays.send(seen->fromPort, seen->payload);
    }
  });
  // Only a live flow is promised to stay.
  client.send(port, shortPacket(5));
  EXPECT_TRUE(client.receive(10'000));
  std::thread reloads([&] {
    LoopbackSocket passing;
    for (int i = 0; !done && i < 200; i++) {
      contract.next().setBackends(i % 2 == 0 ? std::vector<uint16_t>{stays.port(), comesAndGoes.port()}
                                             : std::vector<uint16_t>{stays.port()});
      contract.setListeners(i % 3 == 0 ? std::vector<uint16_t>{port, other} : std::vector<uint16_t>{port});
      EXPECT_FALSE(plane->apply(contract.bytes()));
      passing.send(other, shortPacket(6));
    }
  });
  int answered = 0;
  constexpr int kRoundTrips = 500;
  for (int i = 0; i < kRoundTrips && answered == i; i++) {
    client.send(port, shortPacket(5));
    if (client.receive(10'000)) answered++;
  }
  done = true;
  echo.join();
  reloads.join();
  EXPECT_EQ(answered, kRoundTrips);
  expectConserved(*plane);
}

/// More than worker and ring can take: every datagram that the kernel gave out is in one place or the other.
TEST(Decoupled, NothingIsUnaccountedForUnderOverload) {
  LoopbackSocket backend;
  const uint16_t port = unusedPort();
  LoopbackContract contract = decoupled(port, {backend.port()}, 1);
  const auto plane = startOrFail(contract);
  std::thread senders[2];
  for (std::thread& sender : senders) {
    sender = std::thread([port] {
      LoopbackSocket client;
      for (int i = 0; i < 20'000; i++) client.send(port, shortPacket(static_cast<uint8_t>(i)));
    });
  }
  for (std::thread& sender : senders) sender.join();
  expectConserved(*plane);
  plane->stop();
  expectConserved(*plane);
  EXPECT_GT(counterOf(*plane, Counter::forward_sent), 0U);
}

TEST(Decoupled, StoppingUnderLoadLeavesNothingUnrouted) {
  for (int round = 0; round < 5; round++) {
    LoopbackSocket backend;
    const uint16_t port = unusedPort();
    const auto plane = startOrFail(decoupled(port, {backend.port()}));
    std::atomic<bool> done{false};
    std::thread sender([&] {
      LoopbackSocket client;
      while (!done) client.send(port, shortPacket(3));
    });
    EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::forward_sent) > 100; }));
    plane->stop();
    EXPECT_EQ(counterOf(*plane, Counter::receive_datagrams),
              counterOf(*plane, Counter::hand_off_dropped_ring_full) + parsed(*plane));
    done = true;
    sender.join();
  }
}

TEST(Decoupled, WithoutThreadsItDoesNotStart) {
  const NoThreads none;
  const auto started = DataPlane::start(decoupled(unusedPort(), {1}).bytes());
  ASSERT_TRUE(std::holds_alternative<Failure>(started));
  EXPECT_EQ(std::get<Failure>(started).code, FailureCode::kThreadFailed);
  EXPECT_NE(std::get<Failure>(started).detail.find("qp-receive-0"), std::string::npos);
}

}  // namespace
}  // namespace quicproxy
