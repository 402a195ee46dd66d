#pragma once

#include <cstdint>

#include "context/worker_counters.h"
#include "io/receive_batch.h"

namespace quicproxy {

/// What one receive call brought, put into the counters at once: with a receiving thread of its own, the cells beside
/// them are written by another thread, and each write costs the cache line.
class ReceiveTally {
 public:
  void add(const Received& message) {
    const uint32_t count = message.datagrams();
    datagrams_ += count;
    bytes_ += message.payload.size();
    if (count > 1) trains_++;
  }

  [[nodiscard]] uint32_t datagrams() const { return datagrams_; }

  void countInto(WorkerCounters& counters) const {
    counters.add(Counter::receive_batches);
    counters.add(Counter::receive_datagrams, datagrams_);
    counters.add(Counter::receive_bytes, bytes_);
    if (trains_ != 0) counters.add(Counter::receive_trains, trains_);
  }

 private:
  uint32_t datagrams_ = 0;
  uint32_t trains_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace quicproxy
