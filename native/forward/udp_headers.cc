#include "forward/udp_headers.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>

#include <cstring>

#include "io/socket_address.h"

namespace quicproxy {

namespace {

/// One's complement sum in native order (RFC 1071 section 2): a sum of 32-bit words folds to that of 16-bit words.
uint64_t sumOf(const uint8_t* octets, size_t size, uint64_t sum) {
  size_t at = 0;
  for (; at + 4 <= size; at += 4) {
    uint32_t word = 0;
    std::memcpy(&word, octets + at, 4);
    sum += word;
  }
  uint32_t rest = 0;
  // An empty payload may be no address at all, from which memcpy copies not even nothing.
  if (at < size) std::memcpy(&rest, octets + at, size - at);
  return sum + rest;
}

uint16_t checksumOf(uint64_t sum) {
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  const auto checksum = static_cast<uint16_t>(~sum);
  // 0 means "none" in UDP (RFC 768).
  return checksum == 0 ? uint16_t{0xffff} : checksum;
}

udphdr udpHeader(const UdpHeaders& headers, std::span<const uint8_t> payload, uint64_t addressSum) {
  udphdr udp{};
  udp.uh_sport = htons(headers.sourcePort);
  udp.uh_dport = htons(headers.destinationPort);
  udp.uh_ulen = htons(static_cast<uint16_t>(sizeof udp + payload.size()));
  // Pseudo header: addresses, protocol and length; the length is in the UDP header once more.
  const uint64_t sum = addressSum + htons(IPPROTO_UDP) + udp.uh_ulen + udp.uh_sport + udp.uh_dport + udp.uh_ulen;
  udp.uh_sum = checksumOf(sumOf(payload.data(), payload.size(), sum));
  return udp;
}

}  // namespace

size_t writeUdpHeaders(const UdpHeaders& headers, std::span<const uint8_t> payload, uint8_t* out) {
  const size_t udpBytes = sizeof(udphdr) + payload.size();
  size_t ipBytes = 0;
  uint64_t addressSum = 0;
  if (isMapped(headers.destination.data())) {
    iphdr ip{};
    ip.version = 4;
    ip.ihl = sizeof ip / 4;
    ip.tos = headers.trafficClass;
    ip.tot_len = htons(static_cast<uint16_t>(sizeof ip + udpBytes));
    ip.frag_off = htons(IP_DF);
    ip.ttl = headers.hopLimit;
    ip.protocol = IPPROTO_UDP;
    std::memcpy(&ip.saddr, headers.source.data() + 12, 4);
    std::memcpy(&ip.daddr, headers.destination.data() + 12, 4);
    addressSum = uint64_t{ip.saddr} + ip.daddr;
    ipBytes = sizeof ip;
    std::memcpy(out, &ip, ipBytes);
  } else {
    ip6_hdr ip{};
    ip.ip6_flow = htonl(uint32_t{6} << 28 | uint32_t{headers.trafficClass} << 20);
    ip.ip6_plen = htons(static_cast<uint16_t>(udpBytes));
    ip.ip6_nxt = IPPROTO_UDP;
    ip.ip6_hlim = headers.hopLimit;
    std::memcpy(&ip.ip6_src, headers.source.data(), 16);
    std::memcpy(&ip.ip6_dst, headers.destination.data(), 16);
    addressSum = sumOf(headers.source.data(), 16, sumOf(headers.destination.data(), 16, 0));
    ipBytes = sizeof ip;
    std::memcpy(out, &ip, ipBytes);
  }
  const udphdr udp = udpHeader(headers, payload, addressSum);
  std::memcpy(out + ipBytes, &udp, sizeof udp);
  return ipBytes + sizeof udp;
}

}  // namespace quicproxy
