#include "forward/udp_headers.h"

#include <gtest/gtest.h>

#include <vector>

namespace quicproxy {
namespace {

uint32_t wordsOf(std::span<const uint8_t> octets, uint32_t sum) {
  for (size_t i = 0; i < octets.size(); i += 2) {
    sum += static_cast<uint32_t>(octets[i] << 8 | (i + 1 < octets.size() ? octets[i + 1] : 0));
  }
  return sum;
}

/// RFC 1071 by the letter: over pseudo header, UDP header and payload a right checksum sums up to 0xffff.
uint32_t sumOf(const UdpHeaders& headers, bool v6, std::span<const uint8_t> udp) {
  const size_t from = v6 ? 0 : 12;
  uint32_t sum = wordsOf(std::span(headers.source).subspan(from), 0);
  sum = wordsOf(std::span(headers.destination).subspan(from), sum);
  sum = wordsOf(udp, sum + 17 + static_cast<uint32_t>(udp.size()));
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

UdpHeaders headersOf(bool v6) {
  UdpHeaders headers{};
  headers.source = {0xfd, 0x79, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  headers.destination = {0xfd, 0x79, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11};
  if (!v6) {
    headers.source = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
    headers.destination = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 7};
  }
  headers.sourcePort = 10241;
  headers.destinationPort = 4433;
  headers.trafficClass = 0xb9;
  headers.hopLimit = 63;
  return headers;
}

class UdpHeadersOf : public testing::TestWithParam<bool> {};

TEST_P(UdpHeadersOf, ChecksumHoldsForPayloadsOfEveryLengthAndContent) {
  const bool v6 = GetParam();
  UdpHeaders headers = headersOf(v6);
  std::vector<uint8_t> payload;
  for (size_t size = 0; size < 1300; size++) {
    headers.sourcePort = static_cast<uint16_t>(headers.sourcePort + 51);
    uint8_t written[kMaxUdpHeadersBytes];
    const size_t bytes = writeUdpHeaders(headers, payload, written);
    const size_t ip = v6 ? 40 : 20;
    ASSERT_EQ(bytes, ip + 8);
    std::vector<uint8_t> udp(written + ip, written + bytes);
    udp.insert(udp.end(), payload.begin(), payload.end());
    ASSERT_EQ(sumOf(headers, v6, udp), 0xffffU) << size;
    ASSERT_NE(udp[6] | udp[7], 0) << "0 means that there is none";
    payload.push_back(static_cast<uint8_t>(size % 7 == 0 ? 0xff : size * 31));
  }
}

TEST_P(UdpHeadersOf, AChecksumOfZeroIsWrittenAsAllOnes) {
  const bool v6 = GetParam();
  const UdpHeaders headers = headersOf(v6);
  bool seen = false;
  for (uint32_t word = 0; word < 0x10000 && !seen; word++) {
    const uint8_t payload[] = {static_cast<uint8_t>(word >> 8), static_cast<uint8_t>(word)};
    uint8_t written[kMaxUdpHeadersBytes];
    const size_t bytes = writeUdpHeaders(headers, payload, written);
    seen = written[bytes - 2] == 0xff && written[bytes - 1] == 0xff;
    ASSERT_FALSE(written[bytes - 2] == 0 && written[bytes - 1] == 0);
  }
  EXPECT_TRUE(seen);
}

INSTANTIATE_TEST_SUITE_P(Families, UdpHeadersOf, testing::Values(false, true),
                         [](const auto& param) { return param.param ? "IPv6" : "IPv4"; });

TEST(UdpHeaders, OfIpv4ForbidFragmentsAndCarryClassAndHopLimit) {
  uint8_t written[kMaxUdpHeadersBytes];
  const uint8_t payload[5] = {};
  writeUdpHeaders(headersOf(false), payload, written);
  const std::vector<uint8_t> ip(written, written + 20);
  EXPECT_EQ(ip, (std::vector<uint8_t>{0x45, 0xb9, 0, 33, 0, 0, 0x40, 0, 63, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 7}));
}

TEST(UdpHeaders, OfIpv6CarryClassAndHopLimit) {
  uint8_t written[kMaxUdpHeadersBytes];
  const uint8_t payload[5] = {};
  writeUdpHeaders(headersOf(true), payload, written);
  const std::vector<uint8_t> ip(written, written + 8);
  EXPECT_EQ(ip, (std::vector<uint8_t>{0x6b, 0x90, 0, 0, 0, 13, 17, 63}));
}

}  // namespace
}  // namespace quicproxy
