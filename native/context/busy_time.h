#pragma once

#include <cstdint>

#include "abi/counters.h"

namespace quicproxy {

/// How long a thread has worked so far, in one cell that any thread can read at any moment, also in the midst of work
/// that does not end:
///
///   it rests:  nanoseconds of work so far
///   it works:  the same less the time at which the work began, CLOCK_MONOTONIC. Negative as a signed number, for
///              nobody has worked for as long as the clock runs; with the present time added it is the work so far
///
/// A thread that takes the cell over goes on from what it holds.
class BusyTime {
 public:
  explicit BusyTime(CounterCell& cell) : cell_(&cell), workedNs_(cell.get()) {}

  [[nodiscard]] bool working() const { return working_; }
  /// Nothing when the thread works already.
  void work(uint64_t nowNs) {
    if (working_) return;
    working_ = true;
    sinceNs_ = nowNs;
    cell_->set(workedNs_ - nowNs);
  }
  /// Nothing when the thread rests already.
  void rest(uint64_t nowNs) {
    if (!working_) return;
    working_ = false;
    if (nowNs > sinceNs_) workedNs_ += nowNs - sinceNs_;
    cell_->set(workedNs_);
  }

 private:
  CounterCell* cell_;
  uint64_t workedNs_;
  uint64_t sinceNs_ = 0;
  bool working_ = false;
};

}  // namespace quicproxy
