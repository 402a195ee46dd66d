#pragma once

#include <cerrno>

#include "abi/counters.h"

namespace quicproxy {

/// Where a direction counts what the kernel did not take.
struct SendDrops {
  Counter tooBig;
  Counter bufferFull;
  Counter unreachable;
  Counter error;

  /// error: errno of the send call.
  [[nodiscard]] Counter of(int errorNumber) const {
    switch (errorNumber) {
      case EMSGSIZE:
        return tooBig;
      case EAGAIN:
      case ENOBUFS:
      case ENOMEM:
        return bufferFull;
      case ECONNREFUSED:
      case EHOSTUNREACH:
      case ENETUNREACH:
      case EHOSTDOWN:
      case ENETDOWN:
        return unreachable;
      default:
        return error;
    }
  }
};

/// Whether this host has no way to where a datagram was to go: no route or one that refuses (EINVAL: blackhole), a
/// filter (EPERM), an interface or neighbour that is down. What concerns the datagram or the load is none of these.
[[nodiscard]] inline bool saysUnsendable(int errorNumber) {
  switch (errorNumber) {
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case EACCES:
    case EPERM:
    case EINVAL:
      return true;
    default:
      return false;
  }
}

inline constexpr SendDrops kForwardDrops{Counter::forward_dropped_too_big, Counter::forward_dropped_buffer_full,
                                         Counter::forward_dropped_unreachable, Counter::forward_dropped_error};
inline constexpr SendDrops kReturnDrops{Counter::return_dropped_too_big, Counter::return_dropped_buffer_full,
                                        Counter::return_dropped_unreachable, Counter::return_dropped_error};

}  // namespace quicproxy
