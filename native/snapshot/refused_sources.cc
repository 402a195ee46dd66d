#include "snapshot/refused_sources.h"

#include <algorithm>
#include <cstring>

#include "network/ports_in_use.h"

namespace quicproxy {

RefusedSources::RefusedSources(SipKey key, std::span<const SocketAddress> addresses) : key_(key) {
  hashes_.reserve(addresses.size());
  for (const SocketAddress& address : addresses) hashes_.push_back(hashOf(mappedOf(address), address.port()));
  std::ranges::sort(hashes_);
}

uint64_t RefusedSources::hashOf(const MappedAddress& address, uint16_t port) const {
  uint8_t octets[sizeof address + sizeof port];
  std::memcpy(octets, address.data(), sizeof address);
  std::memcpy(octets + sizeof address, &port, sizeof port);
  return sipHash64(key_, octets);
}

bool RefusedSources::contain(const FourTuple& tuple) const {
  static const PortSet kReflected = reflectedPorts();
  if (kReflected[tuple.remotePort()]) return true;
  const FourTuple path = tuple.withoutInterface();
  // A listener on all addresses is named by none of them.
  if (path.remotePort() == path.localPort() && path.remoteAddress() == path.localAddress()) return true;
  return std::ranges::binary_search(hashes_, hashOf(path.remoteAddress(), path.remotePort()));
}

}  // namespace quicproxy
