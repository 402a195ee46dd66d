#pragma once

#include <cstdint>
#include <string>

#include "context/worker_counters.h"
#include "forward/icmp_socket.h"
#include "forward/upstream_ports.h"
#include "io/event_tag.h"
#include "io/file_descriptor.h"
#include "io/listen_socket.h"

namespace quicproxy {

/// What level RawSend needs of one address family: a raw socket to send, one that catches the replies to all ports of a
/// worker, and one for ICMP errors. None of them where the host has no such family.
class RawSockets {
 public:
  static constexpr uint32_t kCount = 3;

  explicit RawSockets(bool v6) : v6_(v6) {}

  /// Why they cannot be opened; empty when they are, or the host has no IPv6.
  std::string open(UpstreamPorts& ports, uint32_t worker, const BufferSizes& buffers);
  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(raw_); }

  /// False with errno set if the kernel refuses.
  bool announceTo(int epollFd) const;
  /// Of an announced event: which of the two families, and whether it is about ICMP errors or replies.
  [[nodiscard]] static bool isV6(const EventTag& tag) { return (tag.index & kV6Tag) != 0; }
  [[nodiscard]] static bool isIcmp(const EventTag& tag) { return (tag.index & kIcmpTag) != 0; }

  void setBuffers(const BufferSizes& buffers) const;
  /// Of the one that catches replies.
  [[nodiscard]] uint32_t receiveBufferBytes() const;
  /// Counts what the kernel dropped since the last call.
  void countDrops(WorkerCounters& counters);

  [[nodiscard]] int raw() const { return raw_.get(); }
  [[nodiscard]] int catching() const { return catching_.get(); }
  [[nodiscard]] IcmpSocket& icmp() { return icmp_; }

 private:
  static constexpr uint32_t kV6Tag = 1;
  static constexpr uint32_t kIcmpTag = 2;

  bool v6_;
  FileDescriptor raw_;
  FileDescriptor catching_;
  IcmpSocket icmp_;
  // What of the kernel's drops there has been counted.
  uint32_t catchingDrops_ = 0;
  uint32_t icmpDrops_ = 0;
};

}  // namespace quicproxy
