#pragma once

#include <cstdint>

namespace quicproxy {

/// What one reading of CLOCK_MONOTONIC costs on this host, in ns: some 20 where the vDSO reads a counter of the CPU,
/// ten to a hundred times that where it has to call the kernel (some virtual machines and sandboxes). The fastest of
/// several rounds, so that losing the CPU meanwhile does not count.
[[nodiscard]] uint32_t measureClockReadNs();

/// How often packet threads read the clock.
struct ClockUse {
  uint32_t readNs;      ///< what a reading costs
  uint32_t oneIn;       ///< of so many batches one is timed
  bool coarse = false;  ///< waits are timed by CLOCK_MONOTONIC_COARSE, right on average: it moves once in a tick

  /// Such that readings stay below a hundredth of what datagrams cost, whatever one costs.
  [[nodiscard]] static ClockUse forReadNs(uint32_t readNs);

  /// For waits.
  [[nodiscard]] uint64_t nowNs() const;
};

}  // namespace quicproxy
