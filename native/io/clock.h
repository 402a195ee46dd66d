#pragma once

#include <cstdint>
#include <ctime>

namespace quicproxy {

/// CLOCK_MONOTONIC in milliseconds, modulo 2^32: what flow tables age by.
inline uint32_t monotonicMs() {
  timespec now{};
  static_cast<void>(clock_gettime(CLOCK_MONOTONIC, &now));
  return static_cast<uint32_t>(static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000);
}

/// CLOCK_REALTIME in nanoseconds: what logs of several nodes are put together by.
inline uint64_t realtimeNs() {
  timespec now{};
  static_cast<void>(clock_gettime(CLOCK_REALTIME, &now));
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace quicproxy
