#pragma once

#include <ifaddrs.h>

#include <memory>
#include <vector>

#include "io/socket_address.h"
#include "wire/mapped_address.h"

namespace quicproxy {

/// Most local addresses that datagrams toward one backend leave from.
inline constexpr size_t kMaxSourceAddresses = 8;

/// The addresses of this host, as they were when it was made. Control thread only.
class LocalAddresses {
 public:
  LocalAddresses();

  /// Those from which a backend can be sent to: first the one that the routing table picks, then the others of the same
  /// subnet on the same interface. Empty when there is no route.
  [[nodiscard]] std::vector<MappedAddress> toward(const SocketAddress& backend) const;

 private:
  std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> interfaces_;
};

/// Whether the backend is on this host. `sources` are those toward it: the kernel sends to an own address from that
/// address, and to 127.0.0.0/8 from within it.
bool isOnThisHost(const SocketAddress& backend, const std::vector<MappedAddress>& sources);

}  // namespace quicproxy
