#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "io/socket_address.h"
#include "wire/mapped_address.h"

namespace quicproxy {

/// Most local addresses that datagrams toward one backend leave from.
inline constexpr size_t kMaxSourceAddresses = 8;

/// An address of this host as RTM_GETADDR tells it (rtnetlink(7)).
struct LocalAddress {
  MappedAddress address;
  int family;
  uint8_t prefixBits;  ///< of the family: 32 or 128 for an address alone
  uint8_t scope;       ///< RT_SCOPE_*
  uint32_t interface;
  uint32_t flags;    ///< IFA_F_*
  uint8_t protocol;  ///< IFA_PROTO, who put it there: 0 where nobody said; since Linux 5.18
  bool labelled;     ///< named otherwise than its interface, eth0:1 for instance
};

/// All addresses of this network namespace; empty where the kernel refuses to tell.
std::vector<LocalAddress> readLocalAddresses();

/// `routed` and those of `all` that may stand in for it once its ports are used up: on the same interface, of the same
/// subnet and scope, and there to stay. Not those that may leave this host at any time or should begin nothing new:
/// VRRP addresses (alone in their prefix, labelled, or put there by a daemon), deprecated, tentative, duplicate and
/// temporary ones. At most kMaxSourceAddresses.
std::vector<MappedAddress> sourcesBeside(const MappedAddress& routed, std::span<const LocalAddress> all);

/// What backends can be sent to from, as it is when it was made. Control thread only.
class LocalAddresses {
 public:
  LocalAddresses() : all_(readLocalAddresses()) {}

  /// First the address that the routing table picks, then those beside it. Empty when there is no route.
  [[nodiscard]] std::vector<MappedAddress> toward(const SocketAddress& backend) const;

 private:
  std::vector<LocalAddress> all_;
};

/// Whether the backend is on this host. `sources` are those toward it: the kernel sends to an own address from that
/// address, and to 127.0.0.0/8 from within it.
bool isOnThisHost(const SocketAddress& backend, const std::vector<MappedAddress>& sources);

/// The local address of a connected socket; all zero when the kernel does not tell.
MappedAddress localAddressOf(int fd);

}  // namespace quicproxy
