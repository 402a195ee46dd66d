#pragma once

#include <cstdint>
#include <vector>

#include "io/file_descriptor.h"
#include "io/socket_address.h"

namespace quicproxy {

/// Upstream level ConnectedSocketPool: one connected socket per flow, so that each client path reaches its backend from
/// a port of its own (RFC 9312 section 4.3) and the kernel tells replies and ICMP errors of flows apart. Works without
/// any capability; the price is a descriptor and a share of an epoll set per flow, so the pool is bounded.
class UpstreamSockets {
 public:
  enum class Outcome : uint8_t { kOpened, kAtBound, kFailed };

  /// flowCapacity: flows are numbered below it; bound: sockets at a time; epollFd: where replies are announced.
  UpstreamSockets(uint32_t flowCapacity, uint32_t bound, int epollFd);

  /// hopLimit: of all datagrams that leave by this socket, one less than the first one came with, as a router would
  /// have it: two forwarders that send to each other stop by themselves.
  Outcome open(uint32_t flow, uint8_t flowEpoch, const SocketAddress& backend, uint8_t hopLimit);
  void close(uint32_t flow);

  [[nodiscard]] int fd(uint32_t flow) const { return sockets_[flow].get(); }
  [[nodiscard]] uint32_t openCount() const { return open_; }
  [[nodiscard]] bool atBound() const { return open_ >= bound_; }

 private:
  std::vector<FileDescriptor> sockets_;
  uint32_t bound_;
  uint32_t open_ = 0;
  int epollFd_;
};

}  // namespace quicproxy
