#include "context/flow_groups.h"

#include "../io/train_socket.h"

namespace quicproxy {
namespace {

struct Datagram {
  std::span<const uint8_t> payload;
  uint8_t trafficClass = 0;
};

/// Of the datagrams of one round, as they lie in the batch.
std::vector<uint16_t> gatheredOf(const FlowGroups& groups, const SendBatch& batch) {
  std::vector<uint16_t> numbers;
  for (uint32_t place = 0; place < batch.size(); place++) numbers.push_back(groups.gathered(place));
  return numbers;
}

TEST(FlowGroups, KeepTheOrderOfEachFlow) {
  const Octets payload(10);
  const std::vector<Datagram> datagrams(6, {payload});
  const std::vector<uint32_t> flows{5, 3, 5, 3, 3, 5};
  FlowGroups groups(8, 6);
  SendBatch batch(6);
  for (int round = 0; round < 2; round++) {
    groups.clear();
    for (uint16_t i = 0; i < flows.size(); i++) EXPECT_EQ(groups.add(flows[i], 0, i), flows[i] == 5 ? 0 : 1);
    batch.clear();
    for (const FlowGroups::Group& group : groups.all()) groups.gather(group, datagrams, {}, true, batch);
    EXPECT_EQ(gatheredOf(groups, batch), (std::vector<uint16_t>{0, 2, 5, 1, 3, 4}));
  }
}

TEST(FlowGroups, TellTwoFlowsOfOneNumberApart) {
  FlowGroups groups(8, 4);
  EXPECT_EQ(groups.add(5, 1, 0), 0);
  EXPECT_EQ(groups.add(5, 2, 1), 1);
  EXPECT_EQ(groups.add(5, 2, 2), 1);
  EXPECT_EQ(groups.all()[1].first, 1);
  EXPECT_EQ(groups.all()[1].last, 2);
}

TEST(FlowGroups, MakeTrainsOfOneFlowAndOneTrafficClass) {
  const TrainSocket sender;
  const TrainSocket receiver;
  const in_addr loopback{htonl(INADDR_LOOPBACK)};
  const auto to = SocketAddress::from(reinterpret_cast<const uint8_t*>(&loopback), 4, receiver.port());
  const Octets payload(10);
  const std::vector<Datagram> datagrams{{payload, 2}, {payload, 2}, {payload, 3}, {payload, 3}, {payload, 3}};
  FlowGroups groups(8, 5);
  for (uint16_t i = 0; i < 5; i++) groups.add(i == 4 ? 1 : 0, 0, i);
  for (const bool trains : {true, false}) {
    SendBatch batch(5);
    for (const FlowGroups::Group& group : groups.all()) groups.gather(group, datagrams, {.to = &to}, trains, batch);
    EXPECT_EQ(batch.send(sender.fd()), 5);
    EXPECT_EQ(batch.tally().trains, trains ? 2U : 0U);
    for (const Datagram& datagram : datagrams) {
      const auto arrived = receiver.receive();
      ASSERT_TRUE(arrived);
      EXPECT_EQ(arrived->trafficClass, datagram.trafficClass);
    }
  }
}

}  // namespace
}  // namespace quicproxy
