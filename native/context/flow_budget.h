#pragma once

#include <algorithm>
#include <cstdint>

namespace quicproxy {

/// How many flows a worker may begin: a rate with a quarter of a second's worth of burst. A new flow costs some ten
/// times what a datagram of a known one does; a flood of made-up clients must not take the worker from the known ones.
class FlowBudget {
 public:
  /// True if a flow may begin now.
  [[nodiscard]] bool has(uint32_t perSecond, uint32_t nowMs) {
    const uint64_t burst = std::max<uint64_t>(uint64_t{perSecond} * 1000 / 4, kMilliPerFlow);
    const uint32_t elapsedMs = nowMs - refilledAtMs_;
    refilledAtMs_ = nowMs;
    milliFlows_ = started_ ? std::min(milliFlows_ + uint64_t{elapsedMs} * perSecond, burst) : burst;
    started_ = true;
    return milliFlows_ >= kMilliPerFlow;
  }
  /// It does. After has() said so.
  void spend() { milliFlows_ -= kMilliPerFlow; }

  bool take(uint32_t perSecond, uint32_t nowMs) {
    const bool may = has(perSecond, nowMs);
    if (may) spend();
    return may;
  }

 private:
  static constexpr uint64_t kMilliPerFlow = 1000;

  uint64_t milliFlows_ = 0;
  uint32_t refilledAtMs_ = 0;
  bool started_ = false;
};

}  // namespace quicproxy
