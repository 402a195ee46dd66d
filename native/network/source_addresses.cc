#include "network/source_addresses.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "io/file_descriptor.h"

namespace quicproxy {

namespace {

/// The octets of an address, or of a netmask, of the family; empty for another family.
std::span<const uint8_t> octetsOf(const sockaddr* address, int family) {
  if (address == nullptr || address->sa_family != family) return {};
  if (family == AF_INET) {
    return {reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr), 4};
  }
  return {reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr), 16};
}

MappedAddress mapped(std::span<const uint8_t> octets) {
  MappedAddress result{};
  if (octets.size() == 4) {
    result[10] = result[11] = 0xff;
    std::memcpy(result.data() + 12, octets.data(), 4);
  } else {
    std::memcpy(result.data(), octets.data(), 16);
  }
  return result;
}

/// What the kernel would send from: a connected UDP socket has looked up its route and sent nothing.
std::optional<SocketAddress> routedSource(const SocketAddress& backend) {
  const FileDescriptor probe(socket(backend.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe || connect(probe.get(), &backend.any, backend.length) != 0) return std::nullopt;
  SocketAddress source;
  source.length = sizeof source.v6;
  if (getsockname(probe.get(), &source.any, &source.length) != 0) return std::nullopt;
  return source;
}

bool sameNetwork(std::span<const uint8_t> a, std::span<const uint8_t> b, std::span<const uint8_t> mask) {
  if (a.size() != b.size() || a.size() != mask.size()) return false;
  for (size_t i = 0; i < a.size(); i++) {
    if (((a[i] ^ b[i]) & mask[i]) != 0) return false;
  }
  return true;
}

}  // namespace

LocalAddresses::LocalAddresses() : interfaces_(nullptr, &freeifaddrs) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) == 0) interfaces_.reset(list);
}

std::vector<MappedAddress> LocalAddresses::toward(const SocketAddress& backend) const {
  const auto first = routedSource(backend);
  if (!first) return {};
  const int family = backend.family();
  const std::span<const uint8_t> source = octetsOf(&first->any, family);
  std::vector<MappedAddress> result{mapped(source)};
  const ifaddrs* own = interfaces_.get();
  while (own != nullptr && !std::ranges::equal(octetsOf(own->ifa_addr, family), source)) own = own->ifa_next;
  if (own == nullptr) return result;
  const std::span<const uint8_t> mask = octetsOf(own->ifa_netmask, family);
  for (const ifaddrs* other = interfaces_.get(); other != nullptr && result.size() < kMaxSourceAddresses;
       other = other->ifa_next) {
    const std::span<const uint8_t> address = octetsOf(other->ifa_addr, family);
    if (other == own || std::strcmp(other->ifa_name, own->ifa_name) != 0) continue;
    if (!sameNetwork(address, source, mask) || std::ranges::equal(address, source)) continue;
    result.push_back(mapped(address));
  }
  return result;
}

bool isOnThisHost(const SocketAddress& backend, const std::vector<MappedAddress>& sources) {
  if (sources.empty()) return false;
  const int family = backend.family();
  if (family == AF_INET && sources.front()[12] == IN_LOOPBACKNET) return true;
  return sources.front() == mapped(octetsOf(&backend.any, family));
}

}  // namespace quicproxy
