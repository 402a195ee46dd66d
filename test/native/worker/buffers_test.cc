#include <dirent.h>

#include <cstdlib>

#include "loopback_fixture.h"

namespace quicproxy {
namespace {

/// Receive buffers of this process's sockets that are connected to a port.
std::vector<int> buffersOfSocketsTo(uint16_t port) {
  std::vector<int> buffers;
  DIR* directory = opendir("/proc/self/fd");
  while (const dirent* entry = readdir(directory)) {
    const int fd = std::atoi(entry->d_name);
    sockaddr_in peer{};
    socklen_t length = sizeof peer;
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) != 0 || ntohs(peer.sin_port) != port) continue;
    int bytes = 0;
    length = sizeof bytes;
    getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &length);
    buffers.push_back(bytes);
  }
  closedir(directory);
  return buffers;
}

class Buffers : public testing::TestWithParam<UpstreamLevel> {};

TEST_P(Buffers, ANewSizeReachesUpstreamSocketsAndThoseOfWorkersThatComeWithIt) {
  LoopbackSocket backend;
  LoopbackSocket client;
  LoopbackContract contract(unusedPort(), {backend.port()});
  contract.sample.header.upstreamLevel = GetParam();
  contract.sample.header.workers = 1;
  contract.sample.header.receiveBufferBytes = 100'000;
  const auto plane = startOrFail(contract);
  EXPECT_EQ(plane->status().upstreamReceiveBufferAsked, 100'000U);
  EXPECT_EQ(plane->status().upstreamReceiveBufferEffective, 200'000U);
  ASSERT_TRUE(client.send(contract.sample.endpoints[0].port, shortPacket(1)));
  ASSERT_TRUE(backend.receive());

  // Within net.core.rmem_max of any host, so that it is granted without capabilities, too.
  contract.next().sample.header.receiveBufferBytes = 120'000;
  contract.sample.header.workers = 3;
  ASSERT_FALSE(plane->apply(contract.bytes()));
  EXPECT_EQ(plane->status().upstreamReceiveBufferAsked, 120'000U);
  EXPECT_EQ(plane->status().upstreamReceiveBufferEffective, 240'000U);
  for (uint32_t worker = 0; worker < 3; worker++) {
    EXPECT_EQ(plane->counters()->of(worker).get(Gauge::kUpstreamReceiveBuffer), 240'000U) << worker;
  }
  const std::vector<int> expected(GetParam() == UpstreamLevel::kSockets ? 1 : 0, 240'000);
  EXPECT_TRUE(eventually([&] { return buffersOfSocketsTo(backend.port()) == expected; }));
}

INSTANTIATE_TEST_SUITE_P(Levels, Buffers, testing::Values(UpstreamLevel::kAuto, UpstreamLevel::kSockets));

}  // namespace
}  // namespace quicproxy
