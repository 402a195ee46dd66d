#include <netinet/ip.h>
#include <sys/socket.h>

#include <deque>

#include "forward/udp_headers.h"
#include "loopback_fixture.h"

namespace quicproxy {
namespace {

/* Flows by the hundred thousand while workers come and go: what an overloaded node does. */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint32_t kFlows = 8'000;
#else
constexpr uint32_t kFlows = 104'000;
#endif
constexpr uint32_t kAddresses = 8;
constexpr uint32_t kBackends = 8;
constexpr uint32_t kAtOnce = 200;
/// Behind the ports of services that reflect.
constexpr uint32_t kFirstPort = 20'000;
constexpr size_t kPayload = 40;

/// Clients without sockets: datagrams from any address of 127.9.0.0/16 and any port.
class ManyClients {
 public:
  explicit ManyClients(uint16_t proxyPort) : port_(proxyPort), fd_(socket(AF_INET, SOCK_RAW, IPPROTO_RAW)) {}

  bool send(uint32_t client) const {
    uint8_t packet[kMaxUdpHeadersBytes + kPayload];
    uint8_t payload[kPayload] = {0x40};
    std::memcpy(payload + 1, &client, sizeof client);
    UdpHeaders headers{};
    headers.source = {0, 0, 0,    0,    0,   0, 0, 0,
                      0, 0, 0xff, 0xff, 127, 9, 0, static_cast<uint8_t>(1 + client % kAddresses)};
    headers.destination = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
    headers.sourcePort = static_cast<uint16_t>(kFirstPort + client / kAddresses);
    headers.destinationPort = port_;
    headers.hopLimit = 64;
    const size_t size = writeUdpHeaders(headers, payload, packet);
    std::memcpy(packet + size, payload, sizeof payload);
    const sockaddr_in to = LoopbackSocket::loopback(0);
    const size_t whole = size + sizeof payload;
    return sendto(fd_.get(), packet, whole, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) ==
           static_cast<ssize_t>(whole);
  }

 private:
  uint16_t port_;
  FileDescriptor fd_;
};

/// How each client's datagrams reach the backends.
struct Seen {
  uint16_t backend = 0;
  uint16_t fromPort = 0;
};

class WorkerGrowth : public testing::Test {
 protected:
  WorkerGrowth() : contract(unusedPort(), portsOf(backends)), clients(contract.sample.endpoints[0].port), seen(kFlows) {
    contract.sample.header.workers = 1;
    contract.sample.header.flowMemoryBytes = 64 << 20;
    contract.sample.header.newFlowsPerSecond = 10'000'000;
    contract.sample.header.shortHeaderCidLength = kCidLengthLearned;
  }

  static std::vector<uint16_t> portsOf(const std::deque<LoopbackSocket>& sockets) {
    std::vector<uint16_t> ports;
    for (const LoopbackSocket& socket : sockets) ports.push_back(socket.port());
    return ports;
  }

  void setWorkers(uint32_t workers) {
    contract.next().sample.header.workers = workers;
    const auto failure = plane->apply(contract.bytes());
    ASSERT_FALSE(failure) << failure->detail;
  }

  /// Every client sends once; each datagram arrives, where and from where the client's first one did.
  void everyClientSends() {
    for (uint32_t first = 0; first < kFlows; first += kAtOnce) {
      for (uint32_t client = first; client < std::min(first + kAtOnce, kFlows); client++) {
        ASSERT_TRUE(clients.send(client));
      }
      for (uint32_t left = std::min(kAtOnce, kFlows - first); left > 0; left--) ASSERT_TRUE(takeOne());
    }
  }

  testing::AssertionResult takeOne() {
    for (int waited = 0; waited < 20'000; waited++) {
      for (LoopbackSocket& backend : backends) {
        const auto datagram = backend.receive(0);
        if (!datagram) continue;
        uint32_t client = 0;
        std::memcpy(&client, datagram->payload.data() + 1, sizeof client);
        Seen& before = seen[client];
        if (before.backend == 0) before = {backend.port(), datagram->fromPort};
        if (before.backend != backend.port()) return testing::AssertionFailure() << "another backend";
        if (before.fromPort != datagram->fromPort) return testing::AssertionFailure() << "a new path";
        return testing::AssertionSuccess();
      }
      poll(nullptr, 0, 1);
    }
    auto failure = testing::AssertionFailure() << "a datagram is missing; sums of counters:";
    for (uint32_t i = 0; i < kCounterCount; i++) {
      const uint64_t sum = counterOf(*plane, static_cast<Counter>(i));
      if (sum != 0) failure << " " << i << ": " << sum;
    }
    return failure;
  }

  std::deque<LoopbackSocket> backends = std::deque<LoopbackSocket>(kBackends);
  LoopbackContract contract;
  ManyClients clients;
  std::vector<Seen> seen;
  std::unique_ptr<DataPlane> plane;
};

TEST_F(WorkerGrowth, OneToEightToTwoRefusesNobodyAndNoServerSeesANewPath) {
  plane = startOrFail(contract);
  ASSERT_NE(plane, nullptr);
  if (std::string_view(plane->status().upstreamLevel) != "RawSend") {
    GTEST_SKIP() << "ports are borrowed at level RawSend alone: " << plane->status().upstreamReason;
  }
  ASSERT_NO_FATAL_FAILURE(everyClientSends());
  for (const uint32_t workers : {8U, 2U}) {
    ASSERT_NO_FATAL_FAILURE(setWorkers(workers));
    ASSERT_NO_FATAL_FAILURE(everyClientSends());
    ASSERT_NO_FATAL_FAILURE(everyClientSends());
  }
  EXPECT_EQ(counterOf(*plane, Counter::forward_sent), 5 * uint64_t{kFlows});
  EXPECT_EQ(counterOf(*plane, Counter::flow_readdressed), 0U);
  EXPECT_GT(counterOf(*plane, Counter::flow_found_elsewhere), kFlows / 2);
  for (const Counter refused : {Counter::route_dropped_budget, Counter::route_dropped_no_socket,
                                Counter::route_dropped_table_full, Counter::route_dropped_no_backend}) {
    EXPECT_EQ(counterOf(*plane, refused), 0U);
  }
}

}  // namespace
}  // namespace quicproxy
