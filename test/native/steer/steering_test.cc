#include "steer/steering.h"

#include <linux/capability.h>
#include <sys/syscall.h>

#include <deque>
#include <thread>

#include "../io/train_socket.h"
#include "../worker/loopback_fixture.h"

namespace quicproxy {
namespace {

constexpr uint32_t kWorkers = 4;
constexpr uint8_t kCidBytes = 8;

Octets shortHeaderOf(const Octets& cid, size_t size = 64) {
  Octets octets(size, 0x5a);
  octets[0] = 0x40;
  std::copy(cid.begin(), cid.end(), octets.begin() + 1);
  return octets;
}

/// What a server answers with: its Connection ID is learned from it.
Octets longHeaderFrom(const Octets& scid) {
  const Octets start{0xc3, 0, 0, 0, 1, 0, static_cast<uint8_t>(scid.size())};
  Octets octets(100, 0x5a);
  std::copy(start.begin(), start.end(), octets.begin());
  std::copy(scid.begin(), scid.end(), octets.begin() + 7);
  return octets;
}

Octets cidOf(uint8_t seed, size_t size = kCidBytes) { return Octets(size, seed); }

std::vector<uint64_t> receivedByWorker(const DataPlane& plane) { return countersOf(plane, Counter::receive_datagrams); }

/// Clients that stay open: a port that comes again is a path that the program knows already.
using OpenClients = std::deque<TrainSocket>;

class SteeredPlane : public testing::Test {
 protected:
  SteeredPlane() : contract(unusedPort(), {backend.port()}) {
    contract.sample.header.workers = kWorkers;
    contract.sample.header.shortHeaderCidLength = kCidLengthLearned;
  }

  void SetUp() override {
    plane = startOrFail(contract);
    ASSERT_NE(plane, nullptr);
    if (std::string_view(plane->status().steering) != "ConnectionId") {
      GTEST_SKIP() << "no steering here: " << plane->status().steeringReason;
    }
  }

  [[nodiscard]] uint16_t listenPort() const { return contract.sample.endpoints[0].port; }

  /// A client that begins a connection, and the worker that has it.
  uint32_t begin(const TrainSocket& client, const Octets& serverCid) {
    const auto before = receivedByWorker(*plane);
    EXPECT_TRUE(client.send(listenPort(), longHeaderFrom(cidOf(0x11))));
    const auto first = backend.receive();
    EXPECT_TRUE(first);
    EXPECT_TRUE(backend.send(first->fromPort, longHeaderFrom(serverCid)));
    EXPECT_TRUE(client.receive());
    EXPECT_TRUE(client.send(listenPort(), shortHeaderOf(serverCid)));
    EXPECT_TRUE(backend.receive());
    const auto after = receivedByWorker(*plane);
    for (uint32_t worker = 0; worker < kWorkers; worker++) {
      if (after[worker] != before[worker]) return worker;
    }
    return kWorkers;
  }

  TrainSocket backend;
  LoopbackContract contract;
  std::unique_ptr<DataPlane> plane;
};

TEST_F(SteeredPlane, EveryNewAddressOfALearnedConnectionReachesItsWorker) {
  OpenClients clients;
  for (const size_t length : {size_t{4}, size_t{8}, size_t{20}}) {
    const Octets cid = cidOf(static_cast<uint8_t>(0x20 + length), length);
    const uint32_t worker = begin(clients.emplace_back(), cid);
    ASSERT_LT(worker, kWorkers);
    auto expected = receivedByWorker(*plane);
    const uint64_t steered = counterOf(*plane, Counter::steer_connection_id);
    for (int i = 0; i < 30; i++) {
      ASSERT_TRUE(clients.emplace_back().send(listenPort(), shortHeaderOf(cid)));
      ASSERT_TRUE(backend.receive());
      expected[worker]++;
    }
    EXPECT_EQ(receivedByWorker(*plane), expected) << "length " << length;
    EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::steer_connection_id) - steered == 30; }));
  }
  EXPECT_EQ(counterOf(*plane, Counter::cid_found_elsewhere), 0U);
  EXPECT_EQ(counterOf(*plane, Counter::steer_no_socket), 0U);
}

TEST_F(SteeredPlane, AMovedPathThatWentOnStaysOnItsWorkerWhateverConnectionIdItShows) {
  const Octets cid = cidOf(0x33);
  const TrainSocket home;
  const uint32_t worker = begin(home, cid);
  ASSERT_LT(worker, kWorkers);
  OpenClients clients;
  for (uint8_t i = 0; i < 20; i++) {
    const TrainSocket& moved = clients.emplace_back();
    ASSERT_TRUE(moved.send(listenPort(), shortHeaderOf(cid)));
    const auto first = backend.receive();
    ASSERT_TRUE(first);
    for (uint8_t round = 0; round < kMovedPathRounds; round++) {
      ASSERT_TRUE(backend.send(first->fromPort, shortHeaderOf(cidOf(0x77))));
      ASSERT_TRUE(moved.receive());
      ASSERT_TRUE(moved.send(listenPort(), shortHeaderOf(cid)));
      ASSERT_TRUE(backend.receive());
    }
    auto expected = receivedByWorker(*plane);
    for (uint8_t fresh = 0; fresh < 3; fresh++) {
      ASSERT_TRUE(moved.send(listenPort(), shortHeaderOf(cidOf(static_cast<uint8_t>(0x80 + i * 3 + fresh)))));
      const auto next = backend.receive();
      ASSERT_TRUE(next);
      EXPECT_EQ(next->fromPort, first->fromPort) << "one path has one upstream port";
    }
    expected[worker] += 3;
    EXPECT_EQ(receivedByWorker(*plane), expected);
  }
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::steer_path) == 60; }));
}

/// One valid ID and spoofed addresses: no path is kept for what nobody has shown to receive.
TEST_F(SteeredPlane, SpoofedMovesKeepNoPath) {
  const Octets cid = cidOf(0x34);
  const TrainSocket home;
  ASSERT_LT(begin(home, cid), kWorkers);
  OpenClients spoofed;
  for (int i = 0; i < 50; i++) {
    ASSERT_TRUE(spoofed.emplace_back().send(listenPort(), shortHeaderOf(cid)));
    ASSERT_TRUE(backend.receive());
  }
  for (const TrainSocket& client : spoofed) {
    ASSERT_TRUE(client.send(listenPort(), shortHeaderOf(cid)));
    ASSERT_TRUE(backend.receive());
  }
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::steer_connection_id) >= 100; }));
  EXPECT_EQ(counterOf(*plane, Counter::steer_path), 0U);
}

/// DCIDs that a client makes up lead nobody else to its worker.
TEST_F(SteeredPlane, AClientCannotSteerOthersByIdsThatItMakesUp) {
  OpenClients attackers;
  for (int i = 0; i < 16; i++) {
    const TrainSocket& attacker = attackers.emplace_back();
    ASSERT_LT(begin(attacker, cidOf(static_cast<uint8_t>(0xa0 + i), 8)), kWorkers);
    for (uint8_t first = 0; first < 16; first++) {
      for (const size_t length : {size_t{1}, size_t{2}, size_t{3}, size_t{4}, size_t{20}}) {
        Octets made(100, static_cast<uint8_t>(1 + i * 4 + first % 4));
        const Octets start{0xc3, 0, 0, 0, 1, static_cast<uint8_t>(length)};
        std::copy(start.begin(), start.end(), made.begin());
        made[6 + length] = 0;
        ASSERT_TRUE(attacker.send(listenPort(), made));
        ASSERT_TRUE(backend.receive());
      }
    }
  }
  const uint64_t steered = counterOf(*plane, Counter::steer_connection_id);
  OpenClients strangers;
  for (int i = 0; i < 64; i++) {
    ASSERT_TRUE(strangers.emplace_back().send(listenPort(), shortHeaderOf(cidOf(static_cast<uint8_t>(1 + i), 20))));
    ASSERT_TRUE(backend.receive());
  }
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::steer_unknown) >= 64; }));
  EXPECT_EQ(counterOf(*plane, Counter::steer_connection_id), steered);
}

TEST_F(SteeredPlane, WhatIsUnknownOrUnreadableArrivesAllTheSame) {
  const TrainSocket client;
  const Octets unreadable[] = {{}, {0xc0}, {0xc0, 0, 0, 0, 1}, {0xc0, 0, 0, 0, 1, 200, 1, 2}, {0x40}};
  for (const Octets& datagram : unreadable) {
    ASSERT_TRUE(client.send(listenPort(), datagram));
    ASSERT_TRUE(backend.receive());
  }
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::steer_unreadable) == 3; }));
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::steer_unknown) == 2; }));
}

TEST_F(SteeredPlane, ATrainGoesByItsFirstDatagramAndEachOfItsDatagramsToItsBackend) {
  const Octets cid = cidOf(0x44);
  const TrainSocket home;
  const uint32_t worker = begin(home, cid);
  auto expected = receivedByWorker(*plane);
  for (int i = 0; i < 20; i++) {
    const TrainSocket moved;
    ASSERT_TRUE(moved.sendTrain(listenPort(), {shortHeaderOf(cid), shortHeaderOf(cidOf(0x99)), shortHeaderOf(cid)}));
    for (int datagram = 0; datagram < 3; datagram++) ASSERT_TRUE(backend.receive());
    expected[worker] += 3;
  }
  EXPECT_EQ(receivedByWorker(*plane), expected);
}

/// Whoever has the same user may join the group (socket(7)); what the kernel's hash gives to it is lost to us.
TEST_F(SteeredPlane, AForeignSocketInTheGroupGetsNothingOfALearnedConnection) {
  const Octets cid = cidOf(0x55);
  const TrainSocket home;
  ASSERT_LT(begin(home, cid), kWorkers);
  LoopbackSocket foreign(listenPort(), true);
  ASSERT_TRUE(foreign.bound());
  for (int i = 0; i < 40; i++) {
    const TrainSocket moved;
    ASSERT_TRUE(moved.send(listenPort(), shortHeaderOf(cid)));
    ASSERT_TRUE(backend.receive());
  }
  EXPECT_FALSE(foreign.receive(0));
}

TEST_F(SteeredPlane, ListenersThatComeByReloadAreSteeredToo) {
  const Octets cid = cidOf(0x66);
  const TrainSocket home;
  const uint32_t worker = begin(home, cid);
  const uint16_t second = unusedPort();
  contract.next().setListeners({listenPort(), second});
  ASSERT_FALSE(plane->apply(contract.bytes()));
  auto expected = receivedByWorker(*plane);
  for (int i = 0; i < 20; i++) {
    const TrainSocket moved;
    ASSERT_TRUE(moved.send(second, shortHeaderOf(cid)));
    ASSERT_TRUE(backend.receive());
    expected[worker]++;
  }
  EXPECT_EQ(receivedByWorker(*plane), expected);
}

/// Of the calling thread alone.
void keepCapabilities(uint64_t mask) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct kept[2]{};
  for (int half = 0; half < 2; half++)
    kept[half].effective = kept[half].permitted = static_cast<uint32_t>(mask >> 32 * half);
  ASSERT_EQ(syscall(SYS_capset, &header, kept), 0);
}

TEST(Steering, WithoutRightsTheKernelsHashSpreadsAndTheStatusSaysWhy) {
  std::thread([] {
    keepCapabilities(0);
    const TrainSocket backend;
    LoopbackContract contract(unusedPort(), {backend.port()});
    const auto plane = startOrFail(contract);
    ASSERT_NE(plane, nullptr);
    EXPECT_STREQ(plane->status().steering, "KernelHash");
    EXPECT_NE(plane->status().steeringReason.find("CAP_BPF"), std::string::npos) << plane->status().steeringReason;
    const TrainSocket client;
    ASSERT_TRUE(client.send(contract.sample.endpoints[0].port, shortHeaderOf(cidOf(1))));
    EXPECT_TRUE(backend.receive());
  }).join();
}

/// What a pod of the chart has less would show here: without CAP_PERFMON the verifier is stricter.
TEST_F(SteeredPlane, CapBpfAloneSuffices) {
  std::thread([] {
    keepCapabilities(uint64_t{1} << CAP_BPF);
    const auto other = startOrFail({unusedPort(), {1}});
    ASSERT_NE(other, nullptr);
    EXPECT_STREQ(other->status().steering, "ConnectionId") << other->status().steeringReason;
  }).join();
}

TEST(Steering, OneWorkerNeedsNone) {
  LoopbackContract contract(unusedPort(), {1});
  contract.sample.header.workers = 1;
  const auto plane = startOrFail(contract);
  EXPECT_STREQ(plane->status().steering, "KernelHash");
  EXPECT_EQ(plane->status().steeringReason, "");
}

}  // namespace
}  // namespace quicproxy
