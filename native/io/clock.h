#pragma once

#include <cstdint>
#include <ctime>

namespace quicproxy {

inline uint64_t clockNs(clockid_t clock) {
  timespec now{};
  static_cast<void>(clock_gettime(clock, &now));
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

inline uint64_t monotonicNs() { return clockNs(CLOCK_MONOTONIC); }

/// The same as of the latest tick, 1 to 10 ms ago at most; costs a few nanoseconds on every host.
inline uint64_t coarseMonotonicNs() { return clockNs(CLOCK_MONOTONIC_COARSE); }

/// CLOCK_MONOTONIC in milliseconds, modulo 2^32: what flow tables age by.
inline uint32_t monotonicMs() { return static_cast<uint32_t>(monotonicNs() / 1000000); }

/// CLOCK_REALTIME in nanoseconds: what logs of several nodes are put together by.
inline uint64_t realtimeNs() { return clockNs(CLOCK_REALTIME); }

}  // namespace quicproxy
