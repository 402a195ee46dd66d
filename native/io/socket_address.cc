#include "io/socket_address.h"

#include <arpa/inet.h>

#include <cstring>

namespace quicproxy {

namespace {
constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
}

SocketAddress SocketAddress::from(const uint8_t* address, uint8_t family, uint16_t port) {
  SocketAddress result;
  if (family == 4) {
    result.v4.sin_family = AF_INET;
    result.v4.sin_port = htons(port);
    std::memcpy(&result.v4.sin_addr, address, 4);
    result.length = sizeof(sockaddr_in);
  } else {
    result.v6.sin6_family = AF_INET6;
    result.v6.sin6_port = htons(port);
    std::memcpy(&result.v6.sin6_addr, address, 16);
    result.length = sizeof(sockaddr_in6);
  }
  return result;
}

SocketAddress SocketAddress::fromMapped(const uint8_t* mapped, uint16_t port, uint32_t interfaceIndex) {
  if (isMapped(mapped)) return from(mapped + 12, 4, port);
  SocketAddress result = from(mapped, 6, port);
  result.v6.sin6_scope_id = interfaceIndex;
  return result;
}

std::string SocketAddress::addressText() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  } else {
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  }
  return text;
}

MappedAddress mappedOf(const sockaddr& address) {
  MappedAddress mapped{};
  if (address.sa_family == AF_INET) {
    mapAddress(mapped.data(), reinterpret_cast<const sockaddr_in&>(address).sin_addr);
  } else {
    std::memcpy(mapped.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, mapped.size());
  }
  return mapped;
}

void mapAddress(uint8_t* mapped, const in_addr& address) {
  std::memcpy(mapped, kMappedPrefix, sizeof kMappedPrefix);
  std::memcpy(mapped + sizeof kMappedPrefix, &address, 4);
}

bool isMapped(const uint8_t* address) { return std::memcmp(address, kMappedPrefix, sizeof kMappedPrefix) == 0; }

}  // namespace quicproxy
