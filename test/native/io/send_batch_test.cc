#include "io/send_batch.h"

#include "io/receive_batch.h"
#include "io/train_pause.h"
#include "train_socket.h"

namespace quicproxy {
namespace {

constexpr uint32_t kCapacity = 256;

FourTuple toward(const TrainSocket& client) {
  FourTuple tuple{};
  in_addr loopback{htonl(INADDR_LOOPBACK)};
  mapAddress(tuple.remote, loopback);
  mapAddress(tuple.local, loopback);
  tuple.setRemotePort(client.port());
  return tuple;
}

/// Adds each datagram to the train before it where it may.
void addAll(SendBatch& batch, const std::vector<Octets>& datagrams, const FourTuple& to) {
  for (const Octets& datagram : datagrams) {
    if (batch.size() == 0 || !batch.join(datagram)) batch.begin(datagram, {&to, 0});
  }
}

void sendAll(SendBatch& batch, int fd) {
  while (!batch.done()) ASSERT_GT(batch.send(fd), 0);
}

void expectInOrder(const TrainSocket& receiver, const std::vector<Octets>& expected) {
  for (const Octets& datagram : expected) {
    const auto arrived = receiver.receive();
    ASSERT_TRUE(arrived);
    EXPECT_EQ(arrived->payload, datagram);
  }
  EXPECT_FALSE(receiver.receive(0));
}

TEST(SendBatch, EqualDatagramsAreOneTrainAndAShorterOneEndsIt) {
  const TrainSocket sender;
  const TrainSocket receiver;
  std::vector<Octets> datagrams;
  for (uint32_t i = 0; i < 5; i++) datagrams.push_back(numbered(100, i));
  datagrams.push_back(numbered(40, 5));
  for (uint32_t i = 6; i < 9; i++) datagrams.push_back(numbered(40, i));
  datagrams.push_back(numbered(41, 9));
  datagrams.emplace_back();
  datagrams.push_back(numbered(41, 10));
  SendBatch batch(kCapacity);
  addAll(batch, datagrams, toward(receiver));
  EXPECT_EQ(batch.size(), datagrams.size());
  EXPECT_EQ(batch.send(sender.fd()), static_cast<int>(datagrams.size())) << "all of them in one call";
  EXPECT_TRUE(batch.done());
  EXPECT_EQ(batch.tally().calls, 1U);
  EXPECT_EQ(batch.tally().trains, 2U);
  expectInOrder(receiver, datagrams);
}

TEST(SendBatch, ATrainHoldsNoMoreThanTheKernelTakes) {
  const TrainSocket sender;
  const TrainSocket receiver;
  const int buffer = 1 << 22;
  setsockopt(receiver.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  for (const size_t size : {size_t{1}, size_t{1200}, size_t{9000}}) {
    std::vector<Octets> datagrams;
    for (uint32_t i = 0; i < 130; i++) datagrams.push_back(numbered(size, i));
    SendBatch batch(kCapacity);
    addAll(batch, datagrams, toward(receiver));
    sendAll(batch, sender.fd());
    EXPECT_EQ(batch.tally().trainsRefused, 0U) << size;
    EXPECT_GE(batch.tally().trains, 130 * size / SendBatch::kMaxTrainBytes);
    expectInOrder(receiver, datagrams);
  }
}

/// A socket without UDP checksums is refused trains, and nothing else.
TEST(SendBatch, WhatTheKernelRefusesAsATrainIsSentOneByOne) {
  const TrainSocket sender;
  const TrainSocket receiver;
  SendBatch batch(kCapacity);
  std::vector<Octets> datagrams{numbered(65000, 1), numbered(500, 2)};
  const FourTuple to = toward(receiver);
  batch.begin(datagrams[0], {&to, 0});
  ASSERT_TRUE(batch.join(datagrams[1]));
  const int on = 1;
  ASSERT_EQ(setsockopt(sender.fd(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
  sendAll(batch, sender.fd());
  EXPECT_EQ(batch.tally().calls, 2U);
  EXPECT_EQ(batch.tally().trains, 0U);
  EXPECT_EQ(batch.tally().trainsRefused, 1U);
  expectInOrder(receiver, datagrams);
}

TEST(SendBatch, WhatIsGivenUpIsOneMessageOrOnePieceOfACutTrain) {
  const TrainSocket receiver;
  const FourTuple to = toward(receiver);
  const std::vector<Octets> datagrams{numbered(100, 1), numbered(100, 2), numbered(100, 3)};
  SendBatch batch(kCapacity);
  addAll(batch, datagrams, to);
  EXPECT_EQ(batch.send(-1), -1);
  EXPECT_EQ(batch.front(), 0U);
  EXPECT_EQ(batch.drop(), 3U);
  EXPECT_TRUE(batch.done());

  batch.clear();
  for (const Octets& datagram : datagrams) batch.begin(datagram, {&to, 0});
  EXPECT_EQ(batch.drop(), 1U);
  EXPECT_EQ(batch.front(), 1U);
  EXPECT_FALSE(batch.done());
}

TEST(SendBatch, TrafficClassAndTrainReachTheReceiver) {
  for (const int family : {AF_INET, AF_INET6}) {
    const TrainSocket sender(family);
    const TrainSocket receiver(family);
    FourTuple to = toward(receiver);
    if (family == AF_INET6) {
      std::memcpy(to.remote, &in6addr_loopback, 16);
      std::memcpy(to.local, &in6addr_loopback, 16);
    }
    const int on = 1;
    ASSERT_EQ(setsockopt(receiver.fd(), SOL_UDP, UDP_GRO, &on, sizeof on), 0);
    SendBatch out(kCapacity);
    const std::vector<Octets> datagrams{numbered(100, 1), numbered(100, 2), numbered(7, 3)};
    out.begin(datagrams[0], {&to, 0xb9});
    ASSERT_TRUE(out.join(datagrams[1]));
    ASSERT_TRUE(out.join(datagrams[2]));
    sendAll(out, sender.fd());
    ReceiveBatch in(4);
    ASSERT_TRUE(in.ready());
    pollfd poller{receiver.fd(), POLLIN, 0};
    ASSERT_EQ(poll(&poller, 1, 2000), 1);
    ASSERT_EQ(in.receive(receiver.fd(), 0), 1) << "one message";
    const Received train = in.received(0, receiver.port());
    EXPECT_EQ(train.trafficClass, 0xb9);
    EXPECT_EQ(train.tuple.remotePort(), sender.port());
    EXPECT_EQ(train.segmentBytes, 100U);
    ASSERT_EQ(train.datagrams(), 3U);
    for (uint32_t i = 0; i < 3; i++) {
      const auto datagram = train.datagram(i);
      EXPECT_EQ(Octets(datagram.begin(), datagram.end()), datagrams[i]);
    }
  }
}

TEST(ReceiveBatch, ASingleOrEmptyDatagramIsATrainOfOne) {
  const TrainSocket sender;
  const TrainSocket receiver;
  ReceiveBatch in(4);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{65507}}) {
    ASSERT_TRUE(sender.send(receiver.port(), numbered(size, 1)));
    pollfd poller{receiver.fd(), POLLIN, 0};
    ASSERT_EQ(poll(&poller, 1, 2000), 1);
    ASSERT_EQ(in.receive(receiver.fd(), 0), 1);
    const Received message = in.received(0, 0);
    EXPECT_EQ(message.datagrams(), 1U);
    EXPECT_EQ(message.datagram(0).size(), size);
  }
}

TEST(TrainPause, HoldsForASecondAlsoWhenTheClockWraps) {
  for (const uint32_t startMs : {0U, 1000000U, 0xffffff00U}) {
    TrainPause pause;
    EXPECT_FALSE(pause.holds(startMs));
    pause.begin(startMs);
    EXPECT_TRUE(pause.holds(startMs + 999));
    EXPECT_FALSE(pause.holds(startMs + 1000));
    EXPECT_FALSE(pause.holds(startMs + 1));
  }
}

}  // namespace
}  // namespace quicproxy
