#pragma once

#include <cstdint>
#include <memory>

#include "abi/counters.h"
#include "io/mapped_memory.h"
#include "worker/worker_counters.h"

namespace quicproxy {

/// The shared counter region (layout in abi/counters.h): written by workers, read by anyone while they run.
class CounterRegion {
 public:
  CounterRegion(uint32_t workers, uint32_t backendSlots);

  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(memory_); }
  [[nodiscard]] uint8_t* data() const { return memory_.data(); }
  [[nodiscard]] size_t size() const { return memory_.size(); }
  [[nodiscard]] WorkerCounters of(uint32_t worker) const;

 private:
  CountersHeader header_{};
  MappedMemory memory_;
};

}  // namespace quicproxy
