#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>

#include "abi/counters.h"
#include "worker/data_plane.h"

namespace quicproxy::soak {

/// Sums over all workers, by the name of the counter.
class CounterSums {
 public:
  explicit CounterSums(const CounterRegion& region) {
    CountersHeader header;
    std::memcpy(&header, region.data(), sizeof header);
    for (uint32_t worker = 0; worker < header.workers; worker++) {
      const uint8_t* block = region.data() + header.workerOffset + size_t{worker} * header.workerStride;
      add(reinterpret_cast<const CounterCell*>(block));
    }
  }

  [[nodiscard]] uint64_t of(const std::string& name) const { return values_.at(name); }
  /// Of all outcomes of a stage whose names begin with `stage` and then `prefix`.
  [[nodiscard]] uint64_t outcomes(const std::string& stage, const std::string& prefix = "") const {
    uint64_t sum = 0;
    for (const auto& [name, value] : outcomes_) {
      if (name.starts_with(stage + "_" + prefix)) sum += value;
    }
    return sum;
  }
  /// Every counter that moved, one a line.
  [[nodiscard]] std::string text() const {
    std::string lines;
    for (const auto& [name, value] : values_) {
      if (value != 0) lines += "  " + name + " " + std::to_string(value) + "\n";
    }
    return lines;
  }

 private:
  enum class Kind : uint8_t { Entry, Outcome, Event };

  void add(const CounterCell* cells) {
#define QP_COUNTER(stage, outcome, kind, help) \
  note(#stage "_" #outcome, Kind::kind, cells[static_cast<uint32_t>(Counter::stage##_##outcome)].get());
#include "abi/counters.def"
#undef QP_COUNTER
  }

  void note(const char* name, Kind kind, uint64_t value) {
    values_[name] += value;
    if (kind == Kind::Outcome) outcomes_[name] += value;
  }

  std::map<std::string, uint64_t> values_;
  std::map<std::string, uint64_t> outcomes_;
};

}  // namespace quicproxy::soak
