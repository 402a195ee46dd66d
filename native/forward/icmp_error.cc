#include "forward/icmp_error.h"

#include <netinet/in.h>
#include <netinet/ip.h>

#include <algorithm>
#include <cstring>

#include "io/socket_address.h"

namespace quicproxy {

namespace {

constexpr size_t kUdpHeaderBytes = 8;
constexpr size_t kUdpLengthAt = 4;

uint16_t port(std::span<const uint8_t> octets) { return static_cast<uint16_t>(octets[0] << 8 | octets[1]); }

size_t headerBytes(uint8_t versionAndLength) { return size_t{4} * (versionAndLength & 15); }

/// A UDP datagram from a header on whose length is known.
struct Quoted {
  FourTuple path;
  std::span<const uint8_t> udp;
};

std::optional<Quoted> quotedV4(std::span<const uint8_t> quoted) {
  if (quoted.size() < sizeof(iphdr)) return std::nullopt;
  iphdr ip;
  std::memcpy(&ip, quoted.data(), sizeof ip);
  const size_t ipBytes = headerBytes(quoted[0]);
  const bool isFirstFragment = (ntohs(ip.frag_off) & IP_OFFMASK) == 0;
  if (ip.version != 4 || ip.protocol != IPPROTO_UDP || !isFirstFragment) return std::nullopt;
  if (ipBytes < sizeof ip || quoted.size() < ipBytes + kUdpHeaderBytes) return std::nullopt;
  FourTuple path{};
  mapAddress(path.local, in_addr{ip.saddr});
  mapAddress(path.remote, in_addr{ip.daddr});
  path.setLocalPort(port(quoted.subspan(ipBytes)));
  path.setRemotePort(port(quoted.subspan(ipBytes + 2)));
  return Quoted{path, quoted.subspan(ipBytes)};
}

std::optional<Quoted> quotedV6(std::span<const uint8_t> quoted) {
  constexpr size_t kIpBytes = 40;
  constexpr size_t kNextHeaderAt = 6;
  if (quoted.size() < kIpBytes + kUdpHeaderBytes || quoted[0] >> 4 != 6) return std::nullopt;
  if (quoted[kNextHeaderAt] != IPPROTO_UDP) return std::nullopt;
  FourTuple path{};
  std::memcpy(path.local, quoted.data() + 8, 16);
  std::memcpy(path.remote, quoted.data() + 24, 16);
  path.setLocalPort(port(quoted.subspan(kIpBytes)));
  path.setRemotePort(port(quoted.subspan(kIpBytes + 2)));
  return Quoted{path, quoted.subspan(kIpBytes)};
}

}  // namespace

std::optional<IcmpError> parseIcmpError(std::span<const uint8_t> message, bool v6) {
  if (message.empty()) return std::nullopt;
  const size_t outer = v6 ? 0 : headerBytes(message[0]);
  if (message.size() < outer + kIcmpHeaderBytes) return std::nullopt;
  const IcmpKind kind = icmpKindOf(v6, message[outer], message[outer + 1]);
  if (kind == IcmpKind::kOther) return std::nullopt;
  const std::span<const uint8_t> quoted = message.subspan(outer + kIcmpHeaderBytes);
  const auto datagram = v6 ? quotedV6(quoted) : quotedV4(quoted);
  if (!datagram) return std::nullopt;
  IcmpError error{kind, datagram->path, 0, 0, {}};
  std::memcpy(&error.udp, datagram->udp.data() + kUdpLengthAt, sizeof error.udp);
  const std::span<const uint8_t> payload = datagram->udp.subspan(kUdpHeaderBytes);
  error.payloadBytes = static_cast<uint8_t>(std::min(payload.size(), error.payload.size()));
  // Of no octets there may be no address at all.
  if (error.payloadBytes != 0) std::memcpy(error.payload.data(), payload.data(), error.payloadBytes);
  return error;
}

}  // namespace quicproxy
