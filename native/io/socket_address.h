#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "wire/mapped_address.h"

namespace quicproxy {

/// Of either family: the port stands at the same place.
inline uint16_t portOf(const sockaddr& address) {
  in_port_t port;
  std::memcpy(&port, address.sa_data, sizeof port);
  return ntohs(port);
}

/// An IPv4 or IPv6 address and port as the kernel takes it.
struct SocketAddress {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };
  socklen_t length = 0;

  SocketAddress() : v6{} {}

  [[nodiscard]] int family() const { return any.sa_family; }

  /// address: 16 octets in network order, IPv4 in the first 4; family: 4 or 6; port in host order.
  static SocketAddress from(const uint8_t* address, uint8_t family, uint16_t port);

  /// From the IPv4-mapped form that flows keep. interfaceIndex is the scope of a link-local address, else 0.
  static SocketAddress fromMapped(const uint8_t* mapped, uint16_t port, uint32_t interfaceIndex);

  friend bool operator==(const SocketAddress& a, const SocketAddress& b) {
    return a.length == b.length && std::memcmp(&a.any, &b.any, a.length) == 0;
  }

  [[nodiscard]] std::string addressText() const;
  [[nodiscard]] uint16_t port() const { return portOf(any); }
};

/// The IPv4-mapped form of an address of either family.
MappedAddress mappedOf(const sockaddr& address);
inline MappedAddress mappedOf(const SocketAddress& address) { return mappedOf(address.any); }

/// Writes the IPv4-mapped form (RFC 4291 section 2.5.5.2) of an IPv4 address in network order.
void mapAddress(uint8_t* mapped, const in_addr& address);

[[nodiscard]] bool isMapped(const uint8_t* address);

}  // namespace quicproxy
