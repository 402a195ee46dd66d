#pragma once

#include <optional>

#include "forward/icmp_error.h"
#include "io/file_descriptor.h"

namespace quicproxy {

/// Receives all ICMP errors of the network namespace about UDP datagrams from the ports first..last. Raw sends have no
/// socket that the kernel could tell of them.
class IcmpSocket {
 public:
  IcmpSocket() = default;
  /// Empty, with errno set, when the kernel refuses.
  IcmpSocket(bool v6, uint16_t first, uint16_t last);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(fd_); }

  /// The next error; none when there is none left. Skips what is no error about a datagram of ours.
  std::optional<IcmpError> next();

 private:
  bool v6_ = false;
  FileDescriptor fd_;
};

}  // namespace quicproxy
