#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "abi/counters.h"

namespace quicproxy {

/// Bucket of a duration; bounds in abi/counters.h. A bucket is a quarter of its lower bound wide at most.
[[nodiscard]] constexpr uint32_t timeBucketOf(uint64_t ns) {
  const auto exponent = static_cast<uint32_t>(std::bit_width(ns | 1)) - 1;
  if (exponent < kTimeFirstExponent) return 0;
  if (exponent >= kTimeLastExponent) return kTimeBuckets - 1;
  const auto step = static_cast<uint32_t>(ns >> (exponent - kTimeStepBits)) & ((1U << kTimeStepBits) - 1);
  return 1 + ((exponent - kTimeFirstExponent) << kTimeStepBits) + step;
}

/// A histogram of durations in the shared counter region. One thread writes it.
class TimeHistogram {
 public:
  explicit TimeHistogram(CounterCell* cells) : cells_(cells) {}

  /// That many datagrams took so long, each.
  void add(uint64_t ns, uint64_t datagrams) {
    cells_[0].add(ns * datagrams);
    cells_[1 + timeBucketOf(ns)].add(datagrams);
  }
  [[nodiscard]] uint64_t sumNs() const { return cells_[0].get(); }
  [[nodiscard]] uint64_t count(uint32_t bucket) const { return cells_[1 + bucket].get(); }

 private:
  CounterCell* cells_;
};

}  // namespace quicproxy
