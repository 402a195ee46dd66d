#include "forward/icmp_error.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "forward/udp_headers.h"

namespace quicproxy {
namespace {

UdpHeaders headersOf(bool v6) {
  UdpHeaders headers{};
  if (!v6) {
    headers.source = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 79, 2, 1};
    headers.destination = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 79, 2, 11};
  } else {
    headers.source = {0xfd, 0x79, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    headers.destination = {0xfd, 0x79, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11};
  }
  headers.sourcePort = 10241;
  headers.destinationPort = 4433;
  headers.hopLimit = 63;
  headers.trafficClass = 0xba;
  return headers;
}

/// As the kernel hands it to a raw socket: with the outer IP header for IPv4.
std::vector<uint8_t> errorOf(bool v6, uint8_t type, uint8_t code) {
  std::vector<uint8_t> message;
  if (!v6) {
    message.assign(24, 0);  // one word of options
    message[0] = 0x46;
  }
  message.insert(message.end(), {type, code, 0, 0, 0, 0, 0, 0});
  uint8_t quoted[kMaxUdpHeadersBytes];
  const size_t size = writeUdpHeaders(headersOf(v6), {}, quoted);
  message.insert(message.end(), quoted, quoted + size);
  return message;
}

class IcmpErrors : public testing::TestWithParam<bool> {};

TEST_P(IcmpErrors, NameThePathOfTheDatagramThatTheyQuote) {
  const bool v6 = GetParam();
  const auto refused = parseIcmpError(errorOf(v6, v6 ? 1 : 3, v6 ? 4 : 3), v6);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->kind, IcmpKind::kUnreachable);
  EXPECT_EQ(refused->path.localAddress(), headersOf(v6).source);
  EXPECT_EQ(refused->path.remoteAddress(), headersOf(v6).destination);
  EXPECT_EQ(refused->path.localPort(), 10241);
  EXPECT_EQ(refused->path.remotePort(), 4433);
  uint8_t headers[kMaxUdpHeadersBytes];
  const size_t size = writeUdpHeaders(headersOf(v6), {}, headers);
  EXPECT_EQ(std::memcmp(&refused->udp, headers + size - 4, 4), 0) << "length and checksum";
  EXPECT_TRUE(refused->quotedPayload().empty());
  const auto tooBig = parseIcmpError(errorOf(v6, v6 ? 2 : 3, v6 ? 0 : 4), v6);
  ASSERT_TRUE(tooBig);
  EXPECT_EQ(tooBig->kind, IcmpKind::kTooBig);
}

TEST_P(IcmpErrors, OfOtherTypesAndProtocolsAreNone) {
  const bool v6 = GetParam();
  EXPECT_FALSE(parseIcmpError(errorOf(v6, v6 ? 3 : 11, 0), v6)) << "time exceeded";
  EXPECT_FALSE(parseIcmpError(errorOf(v6, v6 ? 128 : 8, 0), v6)) << "echo request";
  auto tcp = errorOf(v6, v6 ? 1 : 3, 1);
  tcp[v6 ? 8 + 6 : 24 + 8 + 9] = 6;
  EXPECT_FALSE(parseIcmpError(tcp, v6));
  auto version = errorOf(v6, v6 ? 1 : 3, 1);
  version[v6 ? 8 : 24 + 8] ^= 0x20;
  EXPECT_FALSE(parseIcmpError(version, v6));
}

TEST_P(IcmpErrors, CutShortAreReadNoFurther) {
  const bool v6 = GetParam();
  const auto whole = errorOf(v6, v6 ? 1 : 3, 3);
  const size_t needed = whole.size();
  for (size_t size = 0; size <= whole.size(); size++) {
    const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_EQ(parseIcmpError(cut, v6).has_value(), size >= needed) << size;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, IcmpErrors, testing::Values(false, true),
                         [](const auto& param) { return param.param ? "IPv6" : "IPv4"; });

}  // namespace
}  // namespace quicproxy
