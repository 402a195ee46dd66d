#pragma once

#include <cstddef>
#include <optional>

#include "abi/counters.h"
#include "context/busy_time.h"
#include "context/time_histogram.h"
#include "route/invariants.h"
#include "route/router.h"

namespace quicproxy {

/// One worker's part of the shared counter region; only that worker writes it.
class WorkerCounters {
 public:
  WorkerCounters(CounterCell* block, CounterCell* backends, CounterCell* timings, CounterCell* receiver)
      : block_(block), backends_(backends), timings_(timings), receiver_(receiver) {}

  void add(Counter counter, uint64_t n = 1) { block_[static_cast<uint32_t>(counter)].add(n); }
  void set(Gauge gauge, uint64_t n) { block_[kCounterCount + static_cast<uint32_t>(gauge)].set(n); }
  [[nodiscard]] uint64_t get(Counter counter) const { return block_[static_cast<uint32_t>(counter)].get(); }
  [[nodiscard]] uint64_t get(Gauge gauge) const { return block_[kCounterCount + static_cast<uint32_t>(gauge)].get(); }

  void add(uint16_t backendSlot, BackendCounter counter, uint64_t n = 1) { cell(backendSlot, counter).add(n); }
  [[nodiscard]] uint64_t get(uint16_t backendSlot, BackendCounter counter) const {
    return backends_[backendSlot * kBackendCounterCount + static_cast<uint32_t>(counter)].get();
  }
  [[nodiscard]] BusyTime busy() const { return BusyTime(*timings_); }
  /// Of the receiving thread in mode Decoupled.
  [[nodiscard]] BusyTime receiverBusy() const { return BusyTime(*receiver_); }
  [[nodiscard]] TimeHistogram histogram(Timing timing) const {
    return TimeHistogram(timings_ + 1 + static_cast<size_t>(timing) * kTimingCells);
  }

  /// For a slot that got another backend.
  void reset(uint16_t backendSlot) {
    for (uint32_t i = 0; i < kBackendCounterCount; i++) cell(backendSlot, static_cast<BackendCounter>(i)).set(0);
  }

 private:
  CounterCell& cell(uint16_t backendSlot, BackendCounter counter) {
    return backends_[backendSlot * kBackendCounterCount + static_cast<uint32_t>(counter)];
  }

  CounterCell* block_;
  CounterCell* backends_;
  CounterCell* timings_;
  CounterCell* receiver_;
};

[[nodiscard]] inline Counter parseCounter(HeaderForm form) {
  switch (form) {
    case HeaderForm::kLong:
      return Counter::parse_long_header;
    case HeaderForm::kShort:
      return Counter::parse_short_header;
    case HeaderForm::kMalformed:
      return Counter::parse_malformed;
    case HeaderForm::kEmpty:
      break;
  }
  return Counter::parse_empty;
}

/// Why a Connection ID was not routable; none when it was, or when there is no QUIC-LB config.
[[nodiscard]] inline std::optional<Counter> unroutableCounter(QuicLbRouting::Outcome outcome) {
  switch (outcome) {
    case QuicLbRouting::Outcome::kNoConfig:
      return Counter::cid_no_config;
    case QuicLbRouting::Outcome::kTooShort:
      return Counter::cid_too_short;
    case QuicLbRouting::Outcome::kUnknownServer:
      return Counter::cid_unknown_server;
    case QuicLbRouting::Outcome::kOff:
    case QuicLbRouting::Outcome::kRouted:
      break;
  }
  return std::nullopt;
}

[[nodiscard]] inline Counter routeCounter(Rule rule) {
  switch (rule) {
    case Rule::kQuicLb:
      return Counter::route_quic_lb;
    case Rule::kTupleScid:
      return Counter::route_four_tuple_scid;
    case Rule::kDcid:
      return Counter::route_dcid;
    case Rule::kTuple:
      return Counter::route_four_tuple;
    case Rule::kFallback:
      return Counter::route_fallback;
    case Rule::kNone:
      break;
  }
  return Counter::route_dropped_no_backend;
}

}  // namespace quicproxy
