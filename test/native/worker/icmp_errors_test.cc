#include <dirent.h>

#include <cstdlib>

#include "loopback_fixture.h"

namespace quicproxy {
namespace {

/// Of this process: epoll announces them again and again.
int socketsWithErrors() {
  int count = 0;
  DIR* directory = opendir("/proc/self/fd");
  while (const dirent* entry = readdir(directory)) {
    pollfd poller{std::atoi(entry->d_name), 0, 0};
    int type = 0;
    socklen_t length = sizeof type;
    if (getsockopt(poller.fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_DGRAM) continue;
    if (poll(&poller, 1, 0) == 1 && (poller.revents & POLLERR) != 0) count++;
  }
  closedir(directory);
  return count;
}

/// Mode and upstream level.
class IcmpErrorsOfClients : public testing::TestWithParam<std::tuple<Mode, UpstreamLevel>> {};

/// On the loopback device the error comes back before the send call ends: every datagram to the client that is gone
/// leaves one for the next call on the listening socket, be it for whomever.
TEST_P(IcmpErrorsOfClients, CostOthersNothing) {
  LoopbackSocket backend;
  LoopbackSocket stays;
  auto gone = std::make_unique<LoopbackSocket>();
  LoopbackContract contract(unusedPort(), {backend.port()});
  contract.sample.header.mode = std::get<0>(GetParam());
  contract.sample.header.upstreamLevel = std::get<1>(GetParam());
  contract.sample.header.workers = 1;
  const uint16_t port = contract.sample.endpoints[0].port;
  const auto plane = startOrFail(contract);
  ASSERT_TRUE(gone->send(port, shortPacket(1)));
  const auto towardGone = backend.receive();
  ASSERT_TRUE(towardGone);
  ASSERT_TRUE(stays.send(port, shortPacket(2)));
  const auto towardStays = backend.receive();
  ASSERT_TRUE(towardStays);
  gone.reset();

  constexpr uint32_t kRounds = 200;
  for (uint32_t i = 0; i < kRounds; i++) {
    ASSERT_TRUE(backend.send(towardGone->fromPort, shortPacket(3)));
    ASSERT_TRUE(backend.send(towardStays->fromPort, shortPacket(4)));
    ASSERT_TRUE(backend.send(towardGone->fromPort, shortPacket(5)));
    ASSERT_TRUE(stays.send(port, shortPacket(6)));
    ASSERT_TRUE(stays.receive()) << i;
    ASSERT_TRUE(backend.receive()) << i;
  }
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::return_sent) == 3 * kRounds; }))
      << counterOf(*plane, Counter::return_sent);
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::forward_sent) == 2 + kRounds; }));
  EXPECT_EQ(counterOf(*plane, Counter::return_dropped_unreachable), 0U);
  EXPECT_EQ(counterOf(*plane, Counter::return_dropped_error), 0U);
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::receive_icmp_errors) > 0; }));
  EXPECT_LE(counterOf(*plane, Counter::receive_icmp_errors), 2 * kRounds);
  EXPECT_TRUE(eventually([] { return socketsWithErrors() == 0; })) << "they would wake the worker for ever";
}

/// A backend that refuses: the connected socket of its flow has the errors.
TEST(IcmpErrorsOfBackends, AreEachCountedAndLeaveNothingInTheSocket) {
  auto backend = std::make_unique<LoopbackSocket>();
  LoopbackSocket client;
  LoopbackContract contract(unusedPort(), {backend->port()});
  contract.sample.header.upstreamLevel = UpstreamLevel::kSockets;
  contract.sample.header.workers = 1;
  const uint16_t port = contract.sample.endpoints[0].port;
  const auto plane = startOrFail(contract);
  ASSERT_TRUE(client.send(port, shortPacket(1)));
  ASSERT_TRUE(backend->receive());
  backend.reset();
  for (uint64_t i = 1; i <= 3; i++) {
    ASSERT_TRUE(client.send(port, shortPacket(1)));
    EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::return_backend_refused) == i; })) << i;
  }
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::forward_sent) == 4; }));
  EXPECT_TRUE(eventually([] { return socketsWithErrors() == 0; }));
}

INSTANTIATE_TEST_SUITE_P(Levels, IcmpErrorsOfClients,
                         testing::Combine(testing::Values(Mode::kRunToCompletion, Mode::kDecoupled, Mode::kBaseline),
                                          testing::Values(UpstreamLevel::kAuto, UpstreamLevel::kSockets)));

}  // namespace
}  // namespace quicproxy
