#pragma once

#include <cstdint>
#include <memory>

#include "abi/counters.h"
#include "context/worker_counters.h"
#include "io/mapped_memory.h"

namespace quicproxy {

/// The shared counter region (layout in abi/counters.h): written by workers, read by anyone while they run.
class CounterRegion {
 public:
  /// For so many workers at most; pages are counted once a worker has touched them.
  CounterRegion(uint32_t maxWorkers, uint32_t backendSlots);

  /// Readers look at the blocks of workers below this number from now on, and never again at fewer: what a worker has
  /// counted stays when it has gone.
  void use(uint32_t workers);
  [[nodiscard]] uint32_t used() const { return header_.workers; }

  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(memory_); }
  [[nodiscard]] uint8_t* data() const { return memory_.data(); }
  [[nodiscard]] size_t size() const { return memory_.size(); }
  [[nodiscard]] WorkerCounters of(uint32_t worker) const;

 private:
  CountersHeader header_{};
  MappedMemory memory_;
};

}  // namespace quicproxy
