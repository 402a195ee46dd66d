#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "io/socket_address.h"
#include "route/siphash.h"
#include "wire/four_tuple.h"

namespace quicproxy {

/// Sources that no new flow may begin from, for what is there is no client: backends and listeners of ours, between
/// whom a datagram would go round with a fresh hop limit each time, and the ports of services that attackers reflect
/// from. QUIC servers drop what comes from the latter (RFC 9308 section 8.1), so no client loses anything.
class RefusedSources {
 public:
  RefusedSources() = default;
  /// key: keeps strangers from finding sources that are refused by accident, of which there is one in 10^15.
  RefusedSources(SipKey key, std::span<const SocketAddress> addresses);

  /// A hash and a binary search: for datagrams without a flow. Flows that were there before an address was named go on.
  [[nodiscard]] bool contain(const FourTuple& tuple) const;

 private:
  [[nodiscard]] uint64_t hashOf(const MappedAddress& address, uint16_t port) const;

  SipKey key_{};
  std::vector<uint64_t> hashes_;  ///< in order
};

}  // namespace quicproxy
