#pragma once

#include <cstdint>
#include <cstring>

namespace quicproxy {

/// A client's path to us. Addresses in network order, IPv4 as IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2), so that
/// one layout serves both families and equal bytes mean equal paths. Ports in host order. No padding: hashed as bytes.
struct FourTuple {
  uint8_t clientAddress[16];
  uint8_t localAddress[16];
  uint16_t clientPort;
  uint16_t localPort;
  uint32_t interfaceIndex;  ///< only for link-local addresses, else 0

  friend bool operator==(const FourTuple& a, const FourTuple& b) { return std::memcmp(&a, &b, sizeof(FourTuple)) == 0; }
};
static_assert(sizeof(FourTuple) == 40);

}  // namespace quicproxy
