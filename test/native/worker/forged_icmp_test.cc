#include <netinet/ip.h>
#include <netinet/ip_icmp.h>

#include "forward/udp_headers.h"
#include "loopback_fixture.h"

namespace quicproxy {
namespace {

constexpr MappedAddress kLoopback = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};

uint16_t internetChecksum(const std::vector<uint8_t>& octets) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < octets.size(); i += 2) sum += static_cast<uint32_t>(octets[i] << 8 | octets[i + 1]);
  if (octets.size() % 2 != 0) sum += static_cast<uint32_t>(octets.back()) << 8;
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

/// ICMP port unreachable about a datagram of this payload from one port of 127.0.0.1 to another.
std::vector<uint8_t> unreachable(uint16_t from, uint16_t to, const std::vector<uint8_t>& payload) {
  std::vector<uint8_t> message{ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, 0, 0, 0, 0, 0};
  uint8_t headers[kMaxUdpHeadersBytes];
  const size_t size = writeUdpHeaders({kLoopback, kLoopback, from, to, 0, 63}, payload, headers);
  message.insert(message.end(), headers, headers + size);
  message.insert(message.end(), payload.begin(), payload.end());
  const uint16_t checksum = internetChecksum(message);
  message[2] = static_cast<uint8_t>(checksum >> 8);
  message[3] = static_cast<uint8_t>(checksum);
  return message;
}

class ForgedIcmpErrors : public testing::TestWithParam<UpstreamLevel> {};

TEST_P(ForgedIcmpErrors, CountOnlyWhenTheyQuoteWhatWasSent) {
  const FileDescriptor icmp(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
  if (!icmp) GTEST_SKIP() << "forging ICMP errors needs CAP_NET_RAW";
  LoopbackSocket backend;
  LoopbackSocket client;
  LoopbackContract contract(unusedPort(), {backend.port()});
  contract.sample.header.upstreamLevel = GetParam();
  contract.sample.header.workers = 1;
  const auto plane = startOrFail(contract);
  const auto sent = shortPacket(7, 100);
  ASSERT_TRUE(client.send(contract.sample.endpoints[0].port, sent));
  const auto seen = backend.receive();
  ASSERT_TRUE(seen);
  const auto forge = [&](const std::vector<uint8_t>& payload) {
    const auto message = unreachable(seen->fromPort, backend.port(), payload);
    const sockaddr_in to = LoopbackSocket::loopback(0);
    return sendto(icmp.get(), message.data(), message.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) ==
           static_cast<ssize_t>(message.size());
  };
  for (uint8_t guess = 1; guess <= 3; guess++) {
    ASSERT_TRUE(forge(shortPacket(static_cast<uint8_t>(guess + 100), 100)));
    ASSERT_TRUE(eventually([&] { return counterOf(*plane, Counter::return_icmp_unmatched) == guess; })) << guess;
  }
  EXPECT_EQ(counterOf(*plane, Counter::return_backend_refused), 0U);
  ASSERT_TRUE(forge(sent));
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::return_backend_refused) == 1; }));
  EXPECT_EQ(counterOf(*plane, Counter::return_icmp_unmatched), 3U);
}

INSTANTIATE_TEST_SUITE_P(Levels, ForgedIcmpErrors, testing::Values(UpstreamLevel::kAuto, UpstreamLevel::kSockets));

}  // namespace
}  // namespace quicproxy
