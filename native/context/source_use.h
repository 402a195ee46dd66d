#pragma once

#include <array>
#include <cstdint>

#include "abi/counters.h"

namespace quicproxy {

/// How many flows of one worker leave from each source (Snapshot::sources). The worker counts, the control thread reads
/// which places are free.
class SourceUse {
 public:
  void begin(uint8_t source) { flows_[source].add(1); }
  void end(uint8_t source) { flows_[source].add(static_cast<uint64_t>(-1)); }
  [[nodiscard]] bool any(uint8_t source) const { return flows_[source].get() != 0; }

 private:
  std::array<CounterCell, 256> flows_{};
};

}  // namespace quicproxy
