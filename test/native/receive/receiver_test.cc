#include "receive/receiver.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <thread>

#include "../io/thread_failure.h"
#include "../io/train_socket.h"
#include "../worker/loopback_fixture.h"
#include "context/counter_region.h"
#include "io/listen_socket.h"

namespace quicproxy {
namespace {

std::shared_ptr<const ListenEndpoint> endpointOn(uint16_t port) {
  const uint8_t loopback[16] = {127, 0, 0, 1};
  auto endpoint = std::make_shared<ListenEndpoint>();
  endpoint->address = SocketAddress::from(loopback, 4, port);
  auto opened = openListenSocket(endpoint->address, {{1 << 20, 1 << 20}, true});
  if (auto* failure = std::get_if<Failure>(&opened)) {
    ADD_FAILURE() << failure->detail;
    return nullptr;
  }
  endpoint->sockets.push_back(std::make_shared<ListenSocket>());
  endpoint->sockets.front()->fd = std::get<FileDescriptor>(std::move(opened));
  return endpoint;
}

constexpr ClockUse kClock{.readNs = 20, .oneIn = 1};

/// A receiver whose worker is the test: what waits in the ring is taken when the test says so.
struct Scene {
  Scene() : region(1, 1), wakeUp(eventfd(0, EFD_NONBLOCK)), ports{unusedPort(), unusedPort()} {}
  /// Slots as named; 0 is `ports[0]`, 1 is `ports[1]`.
  const Snapshot& offer(const std::vector<size_t>& slots) {
    auto next = std::make_unique<Snapshot>();
    for (const size_t slot : slots) {
      if (!endpoints[slot]) endpoints[slot] = endpointOn(ports[slot]);
      next->endpoints[slot] = endpoints[slot];
    }
    snapshots.push_back(std::move(next));
    current.store(snapshots.back().get());
    if (receiver) receiver->wake();
    return *snapshots.back();
  }

  void start(uint32_t ringMessages, uint32_t batch = 4) {
    receiver = Receiver::create({0, batch, kClock, ringMessages}, current, region.of(0), wakeUp.get());
    ASSERT_TRUE(receiver);
    ASSERT_FALSE(receiver->start());
    ASSERT_EQ(receiver->left(), current.load());
    adopt(*current.load());
  }

  void adopt(const Snapshot& snapshot) {
    receiver->allow(&snapshot);
    ASSERT_TRUE(eventually([&] { return receiver->listensTo() == &snapshot; }));
  }

  [[nodiscard]] uint64_t count(Counter counter) const { return region.of(0).get(counter); }
  [[nodiscard]] bool comesTo(Counter counter, uint64_t value) const {
    return eventually([&] { return count(counter) == value; });
  }

  CounterRegion region;
  FileDescriptor wakeUp;
  uint16_t ports[2];
  std::shared_ptr<const ListenEndpoint> endpoints[2];
  std::vector<std::unique_ptr<Snapshot>> snapshots;
  std::atomic<const Snapshot*> current{nullptr};
  std::unique_ptr<Receiver> receiver;
  LoopbackSocket client;
};

[[nodiscard]] bool sendNumbered(LoopbackSocket& client, uint16_t port, uint8_t first, uint8_t count) {
  bool sent = true;
  for (uint8_t i = 0; i < count; i++) sent = client.send(port, shortPacket(static_cast<uint8_t>(first + i))) && sent;
  return sent;
}

void expectWaiting(const ReceiveRing& ring, uint8_t first, uint32_t count) {
  ASSERT_EQ(ring.waiting(), count);
  for (uint32_t i = 0; i < count; i++) EXPECT_EQ(ring.at(i).message.payload[1], first + i);
}

TEST(Receiver, HandsOverWhatComesAndWakesTheWorker) {
  Scene scene;
  scene.offer({0});
  scene.snapshots.back()->sampleOneIn = 1;
  scene.start(8);
  ReceiveRing& ring = scene.receiver->ring();
  ASSERT_TRUE(ring.mayRest());
  ASSERT_TRUE(sendNumbered(scene.client, scene.ports[0], 1, 1));
  pollfd poller{scene.wakeUp.get(), POLLIN, 0};
  ASSERT_EQ(poll(&poller, 1, 10'000), 1);
  expectWaiting(ring, 1, 1);
  const ReceiveRing::Entry& entry = ring.at(0);
  EXPECT_EQ(entry.endpoint, 0);
  EXPECT_EQ(entry.message.tuple.localPort(), scene.ports[0]);
  EXPECT_EQ(entry.message.tuple.remotePort(), scene.client.port());
  EXPECT_NE(entry.receivedNs, 0U);
  EXPECT_TRUE(scene.comesTo(Counter::receive_datagrams, 1));
  EXPECT_TRUE(scene.comesTo(Counter::receive_bytes, 64));
  EXPECT_TRUE(scene.comesTo(Counter::receive_batches, 1));
  EXPECT_TRUE(eventually([&] { return scene.region.of(0).get(Gauge::kRingHighWater) == 1; }));
}

TEST(Receiver, CountsWhatFindsTheRingFullAndGoesOnOnceThereIsRoom) {
  Scene scene;
  scene.offer({0});
  scene.start(8);
  ReceiveRing& ring = scene.receiver->ring();
  ASSERT_TRUE(sendNumbered(scene.client, scene.ports[0], 0, 30));
  EXPECT_TRUE(scene.comesTo(Counter::hand_off_dropped_ring_full, 22));
  EXPECT_EQ(scene.count(Counter::receive_datagrams), 30U);
  EXPECT_EQ(scene.region.of(0).get(Gauge::kRingHighWater), 8U);
  expectWaiting(ring, 0, 8);
  ring.release(8);
  ASSERT_TRUE(sendNumbered(scene.client, scene.ports[0], 40, 5));
  EXPECT_TRUE(scene.comesTo(Counter::receive_datagrams, 35));
  EXPECT_TRUE(eventually([&] { return ring.waiting() == 5; }));
  expectWaiting(ring, 40, 5);
  EXPECT_EQ(scene.count(Counter::hand_off_dropped_ring_full), 22U);
}

TEST(Receiver, CountsEveryDatagramOfATrainThatFindsTheRingFull) {
  Scene scene;
  scene.offer({0});
  scene.start(2);
  ASSERT_TRUE(sendNumbered(scene.client, scene.ports[0], 0, 2));
  ASSERT_TRUE(scene.comesTo(Counter::receive_datagrams, 2));
  const TrainSocket client;
  ASSERT_TRUE(client.sendTrain(scene.ports[0], std::vector<Octets>(10, numbered(100, 1))));
  EXPECT_TRUE(scene.comesTo(Counter::hand_off_dropped_ring_full, 10));
  EXPECT_EQ(scene.count(Counter::receive_datagrams), 12U);
  EXPECT_EQ(scene.count(Counter::receive_trains), 1U);
  EXPECT_EQ(scene.receiver->ring().waiting(), 2U);
}

TEST(Receiver, TakesFromANewEndpointOnlyOnceTheWorkerKnowsIt) {
  Scene scene;
  scene.offer({0});
  scene.start(8);
  const ReceiveRing& ring = scene.receiver->ring();
  const Snapshot& both = scene.offer({0, 1});
  ASSERT_TRUE(eventually([&] { return scene.receiver->left() == &both; }));
  ASSERT_TRUE(sendNumbered(scene.client, scene.ports[1], 10, 2));
  ASSERT_TRUE(sendNumbered(scene.client, scene.ports[0], 1, 1));
  ASSERT_TRUE(eventually([&] { return ring.waiting() > 0; }));
  expectWaiting(ring, 1, 1);
  scene.adopt(both);
  ASSERT_TRUE(eventually([&] { return ring.waiting() == 3; }));
  EXPECT_EQ(ring.at(1).endpoint, 1);
  EXPECT_EQ(ring.at(1).message.payload[1], 10);
  EXPECT_EQ(ring.at(1).message.tuple.localPort(), scene.ports[1]);
}

TEST(Receiver, LeavesAnEndpointWithAllThatItReceivedInTheRing) {
  Scene scene;
  scene.offer({0, 1});
  scene.start(64);
  const ReceiveRing& ring = scene.receiver->ring();
  ASSERT_TRUE(sendNumbered(scene.client, scene.ports[1], 0, 20));
  ASSERT_TRUE(scene.client.allDelivered());
  const Snapshot& one = scene.offer({0});
  ASSERT_TRUE(eventually([&] { return scene.receiver->left() == &one; }));
  expectWaiting(ring, 0, 20);
  ASSERT_TRUE(sendNumbered(scene.client, scene.ports[1], 100, 1));
  ASSERT_TRUE(sendNumbered(scene.client, scene.ports[0], 20, 1));
  ASSERT_TRUE(eventually([&] { return ring.waiting() == 21; }));
  EXPECT_EQ(ring.at(20).message.payload[1], 20);
  EXPECT_EQ(ring.at(20).endpoint, 0);
}

/// The worker may be late: what it never adopted is left again.
TEST(Receiver, FollowsASnapshotThatReplacesOneNeverAdopted) {
  Scene scene;
  scene.offer({0});
  scene.start(8);
  const ReceiveRing& ring = scene.receiver->ring();
  const Snapshot& never = scene.offer({0, 1});
  ASSERT_TRUE(eventually([&] { return scene.receiver->left() == &never; }));
  const Snapshot& last = scene.offer({0});
  ASSERT_TRUE(eventually([&] { return scene.receiver->left() == &last; }));
  scene.adopt(last);
  ASSERT_TRUE(sendNumbered(scene.client, scene.ports[1], 1, 1));
  ASSERT_TRUE(sendNumbered(scene.client, scene.ports[0], 2, 1));
  ASSERT_TRUE(eventually([&] { return ring.waiting() > 0; }));
  expectWaiting(ring, 2, 1);
}

TEST(Receiver, StopsWithAllThatWasReceivedInTheRing) {
  Scene scene;
  scene.offer({0});
  scene.start(1024, 64);
  std::thread stopping([&] {
    while (scene.count(Counter::receive_datagrams) == 0) std::this_thread::yield();
    scene.receiver->stop();
  });
  for (int i = 0; i < 500; i++) static_cast<void>(sendNumbered(scene.client, scene.ports[0], 1, 1));
  stopping.join();
  EXPECT_EQ(scene.receiver->ring().waiting(), scene.count(Counter::receive_datagrams));
  EXPECT_EQ(scene.count(Counter::hand_off_dropped_ring_full), 0U);
}

TEST(Receiver, SaysSoWhenItsThreadCannotBeStarted) {
  Scene scene;
  scene.offer({0});
  const NoThreads none;
  scene.receiver = Receiver::create({3, 4, kClock, 8}, scene.current, scene.region.of(0), scene.wakeUp.get());
  ASSERT_TRUE(scene.receiver);
  const auto failure = scene.receiver->start();
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, FailureCode::kThreadFailed);
  EXPECT_NE(failure->detail.find("qp-receive-3"), std::string::npos) << failure->detail;
  EXPECT_NE(failure->systemError, 0);
}

}  // namespace
}  // namespace quicproxy
