#include "receive/receive_ring.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <thread>

#include "datagram_pipe.h"

namespace quicproxy {
namespace {

constexpr ReceiveRing::Origin kOrigin{443, 7, true};

/// Sends so many and shows what one call received of them.
uint32_t passOn(const DatagramPipe& pipe, ReceiveRing& ring, uint32_t first, uint32_t count, uint32_t max) {
  for (uint32_t i = 0; i < count; i++) EXPECT_TRUE(pipe.send(first + i));
  const int received = ring.receive(pipe.fd(), ring.room(max), kOrigin);
  if (received <= 0) return 0;
  static_cast<void>(ring.publish(static_cast<uint32_t>(received)));
  return static_cast<uint32_t>(received);
}

TEST(ReceiveRing, IsEmptyAtFirst) {
  ReceiveRing ring(8);
  ASSERT_TRUE(ring.ready());
  EXPECT_EQ(ring.capacity(), 8U);
  EXPECT_EQ(ring.waiting(), 0U);
  EXPECT_EQ(ring.depth(), 0U);
  EXPECT_EQ(ring.room(100), 8U);
  EXPECT_EQ(ring.room(3), 3U);
}

TEST(ReceiveRing, NothingOnTheSocketChangesNothing) {
  const DatagramPipe pipe;
  ReceiveRing ring(8);
  EXPECT_EQ(ring.receive(pipe.fd(), 8, kOrigin), -1);
  EXPECT_EQ(ring.waiting(), 0U);
  EXPECT_EQ(passOn(pipe, ring, 5, 1, 8), 1U);
  EXPECT_EQ(numberOf(ring.at(0).message), 5U);
}

TEST(ReceiveRing, WhatWasReceivedIsSeenOnlyOncePublished) {
  const DatagramPipe pipe;
  ReceiveRing ring(8);
  ASSERT_TRUE(pipe.send(1));
  ASSERT_TRUE(pipe.send(2));
  ASSERT_EQ(ring.receive(pipe.fd(), 8, kOrigin), 2);
  EXPECT_EQ(ring.waiting(), 0U);
  EXPECT_EQ(numberOf(ring.fresh(1)), 2U);
  EXPECT_FALSE(ring.publish(2)) << "nobody rests";
  ASSERT_EQ(ring.waiting(), 2U);
  EXPECT_EQ(numberOf(ring.at(0).message), 1U);
  EXPECT_EQ(numberOf(ring.at(1).message), 2U);
  EXPECT_EQ(ring.at(0).endpoint, kOrigin.endpoint);
  EXPECT_EQ(ring.at(0).message.tuple.localPort(), kOrigin.port);
  EXPECT_NE(ring.at(0).receivedNs, 0U);
}

TEST(ReceiveRing, IsFullUntilSlotsAreReleased) {
  const DatagramPipe pipe;
  ReceiveRing ring(8);
  EXPECT_EQ(passOn(pipe, ring, 0, 8, 8), 8U);
  EXPECT_EQ(ring.room(8), 0U);
  EXPECT_EQ(ring.depth(), 8U);
  ring.release(3);
  EXPECT_EQ(ring.room(8), 3U);
  EXPECT_EQ(ring.waiting(), 5U);
  EXPECT_EQ(numberOf(ring.at(0).message), 3U);
}

TEST(ReceiveRing, RoomIsInOnePieceAndGoesOnAtTheStart) {
  const DatagramPipe pipe;
  ReceiveRing ring(8);
  EXPECT_EQ(passOn(pipe, ring, 0, 6, 8), 6U);
  ring.release(6);
  EXPECT_EQ(ring.room(8), 2U) << "up to the end";
  EXPECT_EQ(passOn(pipe, ring, 6, 5, 8), 2U);
  EXPECT_EQ(ring.room(8), 6U);
  EXPECT_EQ(passOn(pipe, ring, 11, 0, 8), 3U);
  ASSERT_EQ(ring.waiting(), 5U);
  for (uint32_t i = 0; i < 5; i++) EXPECT_EQ(numberOf(ring.at(i).message), 6 + i);
}

/// Every slot is made ready again before it is received into: a long message after a short one is not cut.
TEST(ReceiveRing, KeepsOrderAndLengthOverManyRounds) {
  const DatagramPipe pipe;
  ReceiveRing ring(16);
  uint32_t sent = 0;
  uint32_t taken = 0;
  for (uint32_t round = 0; round < 1000; round++) {
    const uint32_t burst = std::min(round % 7, ring.room(5));
    sent += passOn(pipe, ring, sent, burst, 5);
    const uint32_t take = std::min(round % 5, ring.waiting());
    for (uint32_t i = 0; i < take; i++) ASSERT_EQ(numberOf(ring.at(i).message), taken + i);
    ring.release(take);
    taken += take;
  }
  EXPECT_GT(taken, 1000U);
  EXPECT_EQ(sent - taken, ring.waiting());
}

TEST(ReceiveRing, TellsToWakeOnceAndOnlyWhoRests) {
  const DatagramPipe pipe;
  ReceiveRing ring(8);
  ASSERT_TRUE(ring.mayRest());
  ASSERT_TRUE(pipe.send(0));
  ASSERT_EQ(ring.receive(pipe.fd(), 1, kOrigin), 1);
  EXPECT_TRUE(ring.publish(1));
  EXPECT_FALSE(ring.publish(0)) << "it is on its way already";
  EXPECT_FALSE(ring.mayRest()) << "a message waits";
  EXPECT_FALSE(ring.publish(0));
  ring.release(1);
  ASSERT_TRUE(ring.mayRest());
  ring.awake();
  EXPECT_FALSE(ring.publish(0));
}

/// Messages pass from one thread to another, which sleeps whenever nothing waits.
class ReceiveRingBetweenThreads : public testing::Test {
 protected:
  static constexpr int kLimitMs = 20'000;

  /// Receives up to `max` further ones; shows them at once, or in the moment in which all before have been released.
  void passOn(uint32_t max, bool onceReleased) {
    const uint32_t room = ring.room(max);
    if (room == 0) {
      std::this_thread::yield();
      return;
    }
    uint32_t put = 0;
    while (put < room && pipe.send(sent + put)) put++;
    EXPECT_EQ(ring.receive(pipe.fd(), room, kOrigin), static_cast<int>(put));
    for (uint32_t looked = 0; onceReleased && ring.depth() > 0 && !givenUp; looked++) {
      if (looked % 1024 == 1023) std::this_thread::yield();
    }
    if (ring.publish(put)) eventfd_write(wakeUp.get(), 1);
    sent += put;
  }

  /// Takes so many. Less where it slept while messages waited.
  uint32_t takeAll(uint32_t messages) {
    uint32_t taken = 0;
    while (taken < messages) {
      const uint32_t waiting = ring.waiting();
      for (uint32_t i = 0; i < waiting; i++) outOfOrder += numberOf(ring.at(i).message) != taken + i ? 1 : 0;
      ring.release(waiting);
      taken += waiting;
      if (taken >= messages || !ring.mayRest()) continue;
      pollfd poller{wakeUp.get(), POLLIN, 0};
      if (poll(&poller, 1, kLimitMs) == 0) break;
      ring.awake();
      eventfd_t ignored = 0;
      eventfd_read(wakeUp.get(), &ignored);
    }
    givenUp = true;
    return taken;
  }

  const DatagramPipe pipe;
  ReceiveRing ring{16};
  const FileDescriptor wakeUp{eventfd(0, EFD_NONBLOCK)};
  std::atomic<bool> givenUp{false};
  uint32_t sent = 0;
  uint32_t outOfOrder = 0;
};

TEST_F(ReceiveRingBetweenThreads, NoMessageIsLostAndTheirOrderIsKept) {
  constexpr uint32_t kMessages = 200'000;
  std::thread receiving([&] {
    while (sent < kMessages && !givenUp) passOn(1 + sent % 4, false);
  });
  const uint32_t taken = takeAll(kMessages);
  receiving.join();
  EXPECT_GE(taken, kMessages);
  EXPECT_EQ(outOfOrder, 0U);
}

/// The next is published in the moment in which the other finds nothing and goes to sleep, and none after it before
/// that one is taken: a wake-up that is lost is not made good by a later one.
TEST_F(ReceiveRingBetweenThreads, NoWakeUpIsLost) {
  constexpr uint32_t kMessages = 100'000;
  std::thread receiving([&] {
    while (sent < kMessages && !givenUp) passOn(1, true);
  });
  EXPECT_EQ(takeAll(kMessages), kMessages) << "slept while a message waited";
  receiving.join();
}

}  // namespace
}  // namespace quicproxy
