#pragma once

#include <cstdint>

#include "io/send_batch.h"

namespace quicproxy {

/// After a device refused a train (EIO: no checksum offload before Linux 6.11, or IPsec) datagrams are sent one by one
/// for a while: each further attempt would cost a call, and another route may do better. Likewise after a device's
/// queue was full: queue disciplines that cut trains (tbf_segment, net/sched/sch_tbf.c) drop parts of one and call it
/// sent.
class TrainPause {
 public:
  /// tally: of what was just sent.
  void heed(const SendBatch::Tally& tally, uint32_t nowMs) {
    if (tally.deviceRefused || tally.queueFull) begin(nowMs);
  }
  void begin(uint32_t nowMs) {
    untilMs_ = nowMs + kPauseMs;
    paused_ = true;
  }
  [[nodiscard]] bool holds(uint32_t nowMs) {
    if (paused_ && static_cast<int32_t>(nowMs - untilMs_) >= 0) paused_ = false;
    return paused_;
  }

 private:
  static constexpr uint32_t kPauseMs = 1000;

  uint32_t untilMs_ = 0;
  bool paused_ = false;
};

}  // namespace quicproxy
