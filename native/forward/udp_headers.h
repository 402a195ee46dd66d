#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "wire/mapped_address.h"

namespace quicproxy {

/// What the headers of one datagram say. Ports in host order.
struct UdpHeaders {
  MappedAddress source;
  MappedAddress destination;
  uint16_t sourcePort;
  uint16_t destinationPort;
  uint8_t trafficClass;  ///< DSCP and ECN
  uint8_t hopLimit;
};

inline constexpr size_t kMaxUdpHeadersBytes = 48;

/// Payload that fits into a datagram of either IP version.
inline constexpr size_t kMaxUdpPayloadBytes = 65507;

/// Writes IPv4 or IPv6 header, as the addresses are, and UDP header with checksum in front of a payload of at most
/// kMaxUdpPayloadBytes. IPv4 may never be fragmented; its own checksum and identification are left to the kernel
/// (raw(7)). Returns the octets written.
size_t writeUdpHeaders(const UdpHeaders& headers, std::span<const uint8_t> payload, uint8_t* out);

}  // namespace quicproxy
