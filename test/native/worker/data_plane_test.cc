#include "worker/data_plane.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <thread>

#include "loopback_fixture.h"

namespace quicproxy {
namespace {

TEST(DataPlane, ADatagramGoesToTheBackendAndTheAnswerComesFromTheListener) {
  LoopbackSocket backend;
  LoopbackSocket client;
  const uint16_t port = unusedPort();
  auto plane = startOrFail({port, {backend.port()}});
  ASSERT_TRUE(client.send(port, shortPacket(1)));
  const auto seen = backend.receive();
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->payload, shortPacket(1));
  ASSERT_TRUE(backend.send(seen->fromPort, shortPacket(2, 1200)));
  const auto answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->payload, shortPacket(2, 1200));
  EXPECT_EQ(answer->fromPort, port);
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::return_sent) == 1; }));
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::receive_datagrams) == 1U; }));
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::parse_short_header) == 1U; }));
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::route_fallback) == 1U; }));
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::forward_sent) == 1U; }));
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::flow_created) == 1U; }));
}

TEST(DataPlane, AReboundClientReachesItsBackendFromANewPort) {
  LoopbackSocket backends[4];
  const uint16_t port = unusedPort();
  auto plane = startOrFail({port, {backends[0].port(), backends[1].port(), backends[2].port(), backends[3].port()}});
  LoopbackSocket first;
  first.send(port, shortPacket(7));
  LoopbackSocket* home = nullptr;
  uint16_t firstPath = 0;
  const auto isHome = [&](LoopbackSocket& backend) {
    const auto seen = backend.receive(0);
    if (!seen) return false;
    home = &backend;
    firstPath = seen->fromPort;
    return true;
  };
  ASSERT_TRUE(eventually([&] { return std::ranges::any_of(backends, isHome); }));
  // An ID of the configured length counts once a backend has answered to who uses it.
  home->send(firstPath, shortPacket(9));
  ASSERT_TRUE(first.receive());
  first.send(port, shortPacket(7));
  ASSERT_TRUE(home->receive());
  for (int i = 0; i < 20; i++) {
    LoopbackSocket rebound;
    rebound.send(port, shortPacket(7));
    const auto seen = home->receive();
    ASSERT_TRUE(seen) << "rebinding " << i << " left its backend";
    EXPECT_NE(seen->fromPort, firstPath);
  }
}

TEST(DataPlane, ABusyPortIsRefusedAndLeavesNothingOpen) {
  LoopbackSocket other;
  const auto exclusive = DataPlane::start(LoopbackContract(other.port(), {1}).bytes());
  ASSERT_TRUE(std::holds_alternative<Failure>(exclusive));
  EXPECT_EQ(std::get<Failure>(exclusive).code, FailureCode::kListenPortBusy);
  EXPECT_EQ(std::get<Failure>(exclusive).endpoint, 0);

  LoopbackSocket sharing(unusedPort(), true);
  const auto shared = DataPlane::start(LoopbackContract(sharing.port(), {1}).bytes());
  ASSERT_TRUE(std::holds_alternative<Failure>(shared)) << "half of each connection would go to the other process";

  const uint16_t port = unusedPort();
  LoopbackContract contract(port, {1});
  contract.setListeners({port, other.port()});
  ASSERT_TRUE(std::holds_alternative<Failure>(DataPlane::start(contract.bytes())));
  EXPECT_TRUE(LoopbackSocket(port).bound());
}

TEST(DataPlane, AnAddressOfAnotherHostIsRefused) {
  LoopbackContract contract(unusedPort(), {1});
  const uint8_t documentation[16] = {192, 0, 2, 1};
  std::memcpy(contract.sample.endpoints[0].address, documentation, 16);
  const auto started = DataPlane::start(contract.bytes());
  ASSERT_TRUE(std::holds_alternative<Failure>(started));
  EXPECT_EQ(std::get<Failure>(started).code, FailureCode::kListenAddressNotLocal);
}

TEST(DataPlane, AReloadKeepsLiveFlowsOfARemovedBackendAndSendsNewOnesElsewhere) {
  LoopbackSocket oldBackend;
  LoopbackSocket newBackend;
  LoopbackSocket client;
  const uint16_t port = unusedPort();
  LoopbackContract contract(port, {oldBackend.port()});
  auto plane = startOrFail(contract);
  client.send(port, shortPacket(1));
  ASSERT_TRUE(oldBackend.receive());
  contract.next().setBackends({newBackend.port()});
  EXPECT_FALSE(plane->apply(contract.bytes()));
  client.send(port, shortPacket(1));
  EXPECT_TRUE(oldBackend.receive()) << "the live flow must stay";
  LoopbackSocket other;
  other.send(port, shortPacket(2));
  EXPECT_TRUE(newBackend.receive());
  const DataPlaneStatus status = plane->status();
  ASSERT_EQ(status.backends.size(), 2U);
  EXPECT_FALSE(status.backends[0].active);
  EXPECT_TRUE(status.backends[1].active);
}

TEST(DataPlane, ABackendThatComesBackGetsItsPlaceBack) {
  LoopbackSocket one;
  LoopbackSocket two;
  LoopbackContract contract(unusedPort(), {one.port(), two.port()});
  auto plane = startOrFail(contract);
  const auto slotOf = [&](uint16_t port) {
    for (const BackendStatus& backend : plane->status().backends) {
      if (backend.port == port && backend.active) return static_cast<int>(backend.slot);
    }
    return -1;
  };
  const int before = slotOf(two.port());
  contract.next().setBackends({one.port()});
  ASSERT_FALSE(plane->apply(contract.bytes()));
  EXPECT_EQ(slotOf(two.port()), -1);
  contract.next().setBackends({two.port(), one.port()});
  ASSERT_FALSE(plane->apply(contract.bytes()));
  EXPECT_EQ(slotOf(two.port()), before);
}

TEST(DataPlane, PlacesOfRemovedBackendsAreReusedWithFreshCounters) {
  LoopbackSocket client;
  LoopbackSocket first;
  const uint16_t port = unusedPort();
  LoopbackContract contract(port, {first.port()});
  contract.sample.header.idleTimeoutMs = 20;
  auto plane = startOrFail(contract);
  client.send(port, shortPacket(1));
  ASSERT_TRUE(first.receive());
  for (uint16_t backend = 2; backend < 100; backend++) {
    contract.next().setBackends({backend});
    ASSERT_FALSE(plane->apply(contract.bytes()));
  }
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::flow_expired) == 1; }));
  for (uint16_t backend = 100; backend < 110; backend++) {
    contract.next().setBackends({backend});
    ASSERT_FALSE(plane->apply(contract.bytes()));
    ASSERT_EQ(plane->status().backends.size(), 1U) << "only the present backend is left";
    const uint32_t slot = plane->status().backends[0].slot;
    EXPECT_LT(slot, 4U);
    EXPECT_EQ(forwardedTo(*plane, slot), 0U);
  }
}

TEST(DataPlane, ListenersComeAndGoByReload) {
  LoopbackSocket backend;
  LoopbackSocket client;
  const uint16_t first = unusedPort();
  const uint16_t second = unusedPort();
  LoopbackContract contract(first, {backend.port()});
  auto plane = startOrFail(contract);
  contract.next().setListeners({first, second});
  ASSERT_FALSE(plane->apply(contract.bytes()));
  client.send(second, shortPacket(1));
  EXPECT_TRUE(backend.receive());
  contract.next().setListeners({second});
  ASSERT_FALSE(plane->apply(contract.bytes()));
  EXPECT_TRUE(LoopbackSocket(first).bound()) << "the port is free again";
  client.send(second, shortPacket(1));
  EXPECT_TRUE(backend.receive());
}

TEST(DataPlane, ARefusedReloadChangesNothing) {
  LoopbackSocket backend;
  LoopbackSocket client;
  LoopbackSocket busy;
  const uint16_t port = unusedPort();
  LoopbackContract contract(port, {backend.port()});
  auto plane = startOrFail(contract);
  const auto refused = [&](const LoopbackContract& wrong, FailureCode code) {
    const auto failure = plane->apply(wrong.bytes());
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->code, code) << failure->detail;
    EXPECT_EQ(plane->status().generation, 1U);
    client.send(port, shortPacket(1));
    EXPECT_TRUE(backend.receive());
  };
  refused(contract, FailureCode::kContractStale);
  LoopbackContract batch = contract;
  batch.next().sample.header.batch = 3;
  refused(batch, FailureCode::kNeedsRestart);
  LoopbackContract taken = contract;
  taken.next().setListeners({port, busy.port()});
  refused(taken, FailureCode::kListenPortBusy);
  LoopbackContract broken = contract;
  broken.next().sample.header.magic = 1;
  refused(broken, FailureCode::kContractInvalid);
}

TEST(DataPlane, NewFlowsBeyondThePoolAreRefusedAndCountedWhileOldOnesGoOn) {
  LoopbackSocket backend;
  LoopbackSocket clients[3];
  const uint16_t port = unusedPort();
  LoopbackContract contract(port, {backend.port()});
  contract.sample.header.workers = 1;
  contract.sample.header.upstreamSocketMax = 2;
  contract.sample.header.upstreamLevel = UpstreamLevel::kSockets;
  auto plane = startOrFail(contract);
  EXPECT_EQ(plane->status().upstreamSocketMax, 2U);
  for (uint8_t i = 0; i < 2; i++) {
    ASSERT_NE(confirmedConnection(clients[i], backend, port, static_cast<uint8_t>(i + 1)), 0);
  }
  clients[2].send(port, shortPacket(3));
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::route_dropped_no_socket) == 1; }));
  clients[0].send(port, shortPacket(1));
  EXPECT_TRUE(backend.receive());
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::flow_created) == 2U; }));
}

TEST(DataPlane, AFlowThatNobodyConfirmedGivesWayToANewOneAndAConfirmedOneNever) {
  LoopbackSocket backend;
  LoopbackSocket clients[4];
  const uint16_t port = unusedPort();
  LoopbackContract contract(port, {backend.port()});
  contract.sample.header.workers = 1;
  contract.sample.header.upstreamSocketMax = 2;
  contract.sample.header.upstreamLevel = UpstreamLevel::kSockets;
  auto plane = startOrFail(contract);
  const auto request = [&](int client) {
    clients[client].send(port, shortPacket(static_cast<uint8_t>(client + 1)));
    return backend.receive();
  };
  const uint16_t confirmedPort = confirmedConnection(clients[0], backend, port, 1);
  ASSERT_NE(confirmedPort, 0);
  const auto answered = request(1);
  ASSERT_TRUE(answered);
  backend.send(answered->fromPort, shortPacket(1));
  ASSERT_TRUE(clients[1].receive());
  EXPECT_TRUE(request(2)) << "the answered flow of client 1 goes first: anybody is answered";
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::flow_evicted) == 1U; }));
  const auto again = request(0);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->fromPort, confirmedPort) << "the confirmed flow stayed where it was";
}

TEST(DataPlane, AConnectionThatMovedGetsLittleUntilItShowsToReceive) {
  LoopbackSocket backend;
  LoopbackSocket before;
  LoopbackSocket after;
  const uint16_t port = unusedPort();
  auto plane = startOrFail({port, {backend.port()}});
  const uint16_t first = confirmedConnection(before, backend, port, 1);
  ASSERT_NE(first, 0);
  for (int i = 0; i < 10; i++) backend.send(first, shortPacket(1, 1000));
  for (int i = 0; i < 10; i++) EXPECT_TRUE(before.receive()) << "the first path of a connection is the server's affair";
  after.send(port, shortPacket(1, 100));
  const auto moved = backend.receive();
  ASSERT_TRUE(moved);
  // Three challenges of 1,200 octets and three times the 100 that came.
  for (int i = 0; i < 5; i++) backend.send(moved->fromPort, shortPacket(1, 1300));
  for (int i = 0; i < 3; i++) EXPECT_TRUE(after.receive());
  EXPECT_FALSE(after.receive(100));
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::return_dropped_unconfirmed) == 2; }));
  for (uint8_t round = 0; round < kMovedPathRounds; round++) {
    after.send(port, shortPacket(1, 100));
    ASSERT_TRUE(backend.receive());
    backend.send(moved->fromPort, shortPacket(1, 40));
    EXPECT_TRUE(after.receive());
  }
  for (int i = 0; i < 10; i++) backend.send(moved->fromPort, shortPacket(1, 1000));
  for (int i = 0; i < 10; i++) EXPECT_TRUE(after.receive()) << "whoever goes on after answers receives";
}

/// One ID of his own and others' addresses: what an attacker needs to look like a connection that moves.
TEST(DataPlane, OneConnectionThatMovesAllTheTimeLeavesRoomForTheMovesOfOthers) {
  LoopbackSocket backend;
  LoopbackSocket attacker;
  LoopbackSocket honest;
  LoopbackContract contract(unusedPort(), {backend.port()});
  contract.sample.header.workers = 1;
  contract.sample.header.newFlowsPerSecond = 60;  // 15 at once
  const uint16_t port = contract.sample.endpoints[0].port;
  auto plane = startOrFail(contract);
  ASSERT_NE(confirmedConnection(attacker, backend, port, 1), 0);
  ASSERT_NE(confirmedConnection(honest, backend, port, 2), 0);
  std::deque<LoopbackSocket> spoofed;
  for (int i = 0; i < 60; i++) spoofed.emplace_back().send(port, shortPacket(1));
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::route_dropped_budget) > 10; }));
  while (backend.receive(0)) continue;
  LoopbackSocket moved;
  moved.send(port, shortPacket(2));
  const auto seen = backend.receive();
  ASSERT_TRUE(seen) << "the movers' budget is not the attacker's";
  EXPECT_EQ(seen->payload, shortPacket(2));
}

TEST(DataPlane, TwoProxiesThatFaceEachOtherStopByThemselves) {
  LoopbackSocket client;
  const uint16_t ports[2] = {unusedPort(), unusedPort()};
  LoopbackContract contracts[2] = {{ports[0], {ports[1]}}, {ports[1], {ports[0]}}};
  auto one = startOrFail(contracts[0]);
  auto two = startOrFail(contracts[1]);
  client.send(ports[0], shortPacket(1));
  const auto ended = [&] {
    return counterOf(*one, Counter::route_dropped_hop_limit) + counterOf(*two, Counter::route_dropped_hop_limit);
  };
  EXPECT_TRUE(eventually([&] { return ended() == 1; }));
  const uint64_t passes = counterOf(*one, Counter::forward_sent) + counterOf(*two, Counter::forward_sent);
  EXPECT_LE(passes, 255U) << "no more than a hop limit can count";
  EXPECT_GE(passes, 10U);
}

TEST(DataPlane, IdleFlowsEndAndGiveTheirSocketBack) {
  LoopbackSocket backend;
  LoopbackSocket client;
  const uint16_t port = unusedPort();
  LoopbackContract contract(port, {backend.port()});
  contract.sample.header.workers = 1;
  contract.sample.header.upstreamSocketMax = 1;
  contract.sample.header.upstreamLevel = UpstreamLevel::kSockets;
  contract.sample.header.idleTimeoutMs = 50;
  auto plane = startOrFail(contract);
  client.send(port, shortPacket(1));
  ASSERT_TRUE(backend.receive());
  EXPECT_FALSE(backend.receive(200));
  bool served = false;
  for (int i = 0; i < 100 && !served; i++) {
    LoopbackSocket other;
    other.send(port, shortPacket(9));
    served = backend.receive(200).has_value();
  }
  EXPECT_TRUE(served);
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::flow_expired) >= 1U; }));
}

TEST(DataPlane, ABackendThatRefusesIsCountedAndHarmsNobody) {
  LoopbackSocket client;
  const uint16_t port = unusedPort();
  auto plane = startOrFail({port, {unusedPort()}});
  for (int i = 0; i < 5; i++) {
    client.send(port, shortPacket(1));
    poll(nullptr, 0, 10);
  }
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::receive_datagrams) == 5; }));
  const auto ended = [&] {
    return counterOf(*plane, Counter::forward_sent) + counterOf(*plane, Counter::forward_dropped_unreachable);
  };
  EXPECT_TRUE(eventually([&] { return ended() == 5; }));
  // What left together came back as one error: the kernel keeps no more of them for a socket.
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::return_backend_refused) >= 1; }));
}

TEST(DataPlane, WithoutBackendsEveryDatagramIsCountedAsSuch) {
  LoopbackSocket client;
  const uint16_t port = unusedPort();
  auto plane = startOrFail({port, {}});
  for (int i = 0; i < 7; i++) client.send(port, shortPacket(1));
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::route_dropped_no_backend) == 7; }));
}

TEST(DataPlane, DatagramsOfEverySizePassUnchanged) {
  LoopbackSocket backend;
  LoopbackSocket client;
  const uint16_t port = unusedPort();
  auto plane = startOrFail({port, {backend.port()}});
  for (const size_t size : {size_t{0}, size_t{1}, size_t{20}, size_t{1200}, size_t{9000}, size_t{65507}}) {
    std::vector<uint8_t> payload(size, 0x5a);
    ASSERT_TRUE(client.send(port, payload));
    const auto seen = backend.receive();
    ASSERT_TRUE(seen) << size;
    EXPECT_EQ(seen->payload, payload);
    ASSERT_TRUE(backend.send(seen->fromPort, payload));
    const auto answer = client.receive();
    ASSERT_TRUE(answer) << size;
    EXPECT_EQ(answer->payload, payload);
  }
}

TEST(DataPlane, BaselineForwardsByTheConnectionIdAlone) {
  LoopbackSocket backends[3];
  const uint16_t port = unusedPort();
  LoopbackContract contract(port, {backends[0].port(), backends[1].port(), backends[2].port()});
  contract.sample.header.mode = Mode::kBaseline;
  contract.sample.header.workers = 1;
  contract.sample.header.batch = 1;
  auto plane = startOrFail(contract);
  for (int i = 0; i < 10; i++) LoopbackSocket().send(port, shortPacket(42));
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::forward_sent) == 10U; }));
  int homes = 0;
  for (LoopbackSocket& backend : backends) {
    int seen = 0;
    while (backend.receive(0)) seen++;
    EXPECT_TRUE(seen == 0 || seen == 10) << seen;
    homes += seen == 10 ? 1 : 0;
  }
  EXPECT_EQ(homes, 1);
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::route_fallback) == 10U; }));
}

TEST(DataPlane, StopIsFinalAndMayBeRepeated) {
  LoopbackContract contract(unusedPort(), {1});
  auto plane = startOrFail(contract);
  plane->stop();
  plane->stop();
  const auto failure = plane->apply(contract.next().bytes());
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, FailureCode::kStopped);
  EXPECT_EQ(counterOf(*plane, Counter::receive_datagrams), 0U) << "counters stay readable";
  EXPECT_TRUE(LoopbackSocket(contract.sample.endpoints[0].port).bound());
}

TEST(DataPlane, ReloadsUnderTrafficLoseNothing) {
  LoopbackSocket stays;
  LoopbackSocket comesAndGoes;
  const uint16_t port = unusedPort();
  LoopbackContract contract(port, {stays.port()});
  auto plane = startOrFail(contract);
  std::atomic<bool> done{false};
  std::thread echo([&] {
    while (!done) {
      if (const auto seen = stays.receive(10)) stays.send(seen->fromPort, seen->payload);
    }
  });
  // The flow begins before the first reload: only a live flow is promised to stay.
  LoopbackSocket client;
  client.send(port, shortPacket(5));
  EXPECT_TRUE(client.receive());
  std::thread reloads([&] {
    for (int i = 0; !done && i < 200; i++) {
      contract.next().setBackends(i % 2 == 0 ? std::vector<uint16_t>{stays.port(), comesAndGoes.port()}
                                             : std::vector<uint16_t>{stays.port()});
      EXPECT_FALSE(plane->apply(contract.bytes()));
    }
  });
  int answered = 0;
  constexpr int kRoundTrips = 500;
  for (int i = 0; i < kRoundTrips && answered == i; i++) {
    client.send(port, shortPacket(5));
    if (client.receive()) answered++;
  }
  done = true;
  echo.join();
  reloads.join();
  EXPECT_EQ(answered, kRoundTrips);
}

}  // namespace
}  // namespace quicproxy
