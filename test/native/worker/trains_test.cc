#include "../io/train_socket.h"
#include "loopback_fixture.h"

namespace quicproxy {
namespace {

/// Client, proxy with one worker, backend: all of one family.
struct Scene {
  explicit Scene(int family) : client(family), backend(family), contract(unusedPort(), {backend.port()}) {
    contract.sample.header.workers = 1;
    contract.sample.header.upstreamLevel = UpstreamLevel::kSockets;
    if (family == AF_INET6) contract.useIpv6();
    listenPort = contract.sample.endpoints[0].port;
    plane = startOrFail(contract);
  }

  TrainSocket client;
  TrainSocket backend;
  LoopbackContract contract;
  uint16_t listenPort = 0;
  std::unique_ptr<DataPlane> plane;
};

std::vector<Octets> trainOf(uint32_t count, size_t size) {
  std::vector<Octets> datagrams;
  for (uint32_t i = 0; i + 1 < count; i++) datagrams.push_back(numbered(size, i));
  datagrams.push_back(numbered(size / 2, count));
  return datagrams;
}

size_t octetsOf(const std::vector<Octets>& datagrams) {
  size_t octets = 0;
  for (const Octets& datagram : datagrams) octets += datagram.size();
  return octets;
}

/// All of them in order, with one traffic class; the port of the first sender.
uint16_t expectArrivals(const TrainSocket& receiver, const std::vector<Octets>& expected, int trafficClass) {
  uint16_t from = 0;
  for (const Octets& datagram : expected) {
    const auto arrived = receiver.receive();
    if (!arrived) {
      ADD_FAILURE() << "nothing came";
      return from;
    }
    EXPECT_EQ(arrived->payload, datagram);
    EXPECT_EQ(arrived->trafficClass, trafficClass);
    if (from == 0) from = arrived->fromPort;
    EXPECT_EQ(arrived->fromPort, from);
  }
  return from;
}

void expectCounters(const DataPlane& plane, const std::vector<std::pair<Counter, uint64_t>>& expected) {
  for (const auto& [counter, value] : expected) {
    EXPECT_TRUE(eventually([&] { return counterOf(plane, counter) == value; }))
        << "counter " << static_cast<int>(counter) << " is " << counterOf(plane, counter) << ", not " << value;
  }
}

class Trains : public testing::TestWithParam<int> {};

TEST_P(Trains, BothWaysArriveOctetByOctetInOrderWithTheirTrafficClass) {
  Scene scene(GetParam());
  const std::vector<Octets> up = trainOf(20, 1200);
  scene.client.setTrafficClass(0x02);
  ASSERT_TRUE(scene.client.sendTrain(scene.listenPort, up));
  const uint16_t upstreamPort = expectArrivals(scene.backend, up, 0x02);
  const std::vector<Octets> down = trainOf(40, 1300);
  scene.backend.setTrafficClass(0xbb);
  ASSERT_TRUE(scene.backend.sendTrain(upstreamPort, down));
  EXPECT_EQ(expectArrivals(scene.client, down, 0xbb), scene.listenPort);
  expectCounters(*scene.plane, {{Counter::receive_datagrams, 20},
                                {Counter::receive_bytes, octetsOf(up)},
                                {Counter::receive_batches, 1},
                                {Counter::receive_trains, 1},
                                {Counter::parse_short_header, 20},
                                {Counter::forward_sent, 20},
                                {Counter::forward_bytes, octetsOf(up)},
                                {Counter::forward_calls, 1},
                                {Counter::forward_trains, 1},
                                {Counter::forward_trains_refused, 0},
                                {Counter::return_received, 40},
                                {Counter::return_received_bytes, octetsOf(down)},
                                {Counter::return_received_trains, 1},
                                {Counter::return_sent, 40},
                                {Counter::return_bytes, octetsOf(down)},
                                {Counter::return_calls, 1},
                                {Counter::return_trains, 1},
                                {Counter::return_trains_refused, 0}});
}

TEST_P(Trains, DatagramsOfAnotherTrafficClassLeaveInATrainOfTheirOwn) {
  Scene scene(GetParam());
  ASSERT_TRUE(scene.client.send(scene.listenPort, numbered(100, 0)));
  const auto first = scene.backend.receive();
  ASSERT_TRUE(first);
  const std::vector<Octets> marked = trainOf(3, 100);
  const std::vector<Octets> unmarked = trainOf(4, 100);
  scene.backend.setTrafficClass(0x03);
  ASSERT_TRUE(scene.backend.sendTrain(first->fromPort, marked));
  scene.backend.setTrafficClass(0x01);
  ASSERT_TRUE(scene.backend.sendTrain(first->fromPort, unmarked));
  expectArrivals(scene.client, marked, 0x03);
  expectArrivals(scene.client, unmarked, 0x01);
  expectCounters(*scene.plane, {{Counter::return_received_trains, 2}, {Counter::return_trains, 2}});
}

INSTANTIATE_TEST_SUITE_P(Families, Trains, testing::Values(AF_INET, AF_INET6),
                         [](const auto& family) { return family.param == AF_INET ? "IPv4" : "IPv6"; });

TEST(MixedTrain, EachDatagramGoesWhereItsConnectionIdLeads) {
  const TrainSocket clients[2];
  const TrainSocket roaming;
  const TrainSocket backends[2];
  LoopbackContract contract(unusedPort(), {backends[0].port(), backends[1].port()});
  contract.sample.header.workers = 1;
  contract.sample.header.upstreamLevel = UpstreamLevel::kSockets;
  const uint16_t listenPort = contract.sample.endpoints[0].port;
  const auto plane = startOrFail(contract);
  const auto shortHeader = [](uint8_t cid, uint8_t number) {
    Octets octets(200, cid);
    octets[0] = 0x40;
    octets[20] = number;
    return octets;
  };
  // Two connections that live on different backends.
  int home[2] = {-1, -1};
  uint8_t cids[2] = {0, 0};
  for (uint8_t cid = 1; cid < 100 && (home[0] < 0 || home[1] < 0); cid++) {
    const TrainSocket client;
    ASSERT_TRUE(client.send(listenPort, shortHeader(cid, 0)));
    pollfd pollers[2] = {{backends[0].fd(), POLLIN, 0}, {backends[1].fd(), POLLIN, 0}};
    ASSERT_EQ(poll(pollers, 2, 2000), 1);
    const int at = (pollers[0].revents & POLLIN) != 0 ? 0 : 1;
    const auto first = backends[at].receive();
    ASSERT_TRUE(first);
    ASSERT_TRUE(backends[at].send(first->fromPort, shortHeader(0xee, 0)));
    ASSERT_TRUE(client.receive());
    ASSERT_TRUE(client.send(listenPort, shortHeader(cid, 0)));
    ASSERT_TRUE(backends[at].receive());
    home[at] = at;
    cids[at] = cid;
  }
  ASSERT_TRUE(home[0] == 0 && home[1] == 1);
  std::vector<Octets> train;
  std::vector<Octets> expected[2];
  for (uint8_t number = 0; number < 12; number++) {
    const int at = number % 3 == 0 ? 1 : 0;
    train.push_back(shortHeader(cids[at], number));
    expected[at].push_back(train.back());
  }
  const uint64_t flows = counterOf(*plane, Counter::flow_created);
  ASSERT_TRUE(roaming.sendTrain(listenPort, train));
  for (int at = 0; at < 2; at++) expectArrivals(backends[at], expected[at], 0);
  expectCounters(*plane, {{Counter::receive_trains, 1},
                          {Counter::route_dcid, 12},
                          {Counter::flow_created, flows + 2},
                          {Counter::flow_readdressed, 2},
                          {Counter::forward_trains, 2}});
}

TEST(BaselineMode, KnowsNoTrains) {
  const TrainSocket client;
  const TrainSocket backend;
  LoopbackContract contract(unusedPort(), {backend.port()});
  contract.sample.header.mode = Mode::kBaseline;
  contract.sample.header.workers = 1;
  contract.sample.header.batch = 1;
  const auto plane = startOrFail(contract);
  const std::vector<Octets> train = trainOf(10, 300);
  ASSERT_TRUE(client.sendTrain(contract.sample.endpoints[0].port, train));
  expectArrivals(backend, train, 0);
  expectCounters(*plane, {{Counter::receive_datagrams, 10},
                          {Counter::receive_batches, 10},
                          {Counter::receive_trains, 0},
                          {Counter::forward_trains, 0},
                          {Counter::forward_calls, 10}});
}

/// More datagrams in one batch than one round takes.
TEST(LongTrains, KeepTheirOrderAcrossRounds) {
  Scene scene(AF_INET);
  const int buffer = 1 << 24;
  setsockopt(scene.backend.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  std::vector<Octets> all;
  for (uint32_t train = 0; train < 40; train++) {
    std::vector<Octets> datagrams;
    for (uint32_t i = 0; i < 60; i++) datagrams.push_back(numbered(50, train * 60 + i));
    ASSERT_TRUE(scene.client.sendTrain(scene.listenPort, datagrams));
    all.insert(all.end(), datagrams.begin(), datagrams.end());
  }
  expectArrivals(scene.backend, all, 0);
  expectCounters(*scene.plane, {{Counter::receive_datagrams, 2400},
                                {Counter::receive_trains, 40},
                                {Counter::parse_short_header, 2400},
                                {Counter::forward_sent, 2400}});
}

}  // namespace
}  // namespace quicproxy
