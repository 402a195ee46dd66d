#pragma once

#include <cstdint>

#include "context/batch_sampler.h"
#include "context/worker_counters.h"
#include "io/clock.h"
#include "io/clock_cost.h"

namespace quicproxy {

/// How long a worker's datagrams take, in one direction. Belongs to the worker's thread.
class DirectionTiming {
 public:
  DirectionTiming(TimeHistogram service, TimeHistogram residence, const BatchSampler& sampler)
      : service_(service), residence_(residence), sampler_(sampler) {}

  /// A batch begins: the time, 0 where it is not to be timed.
  [[nodiscard]] uint64_t begin() { return sampler_.due() ? monotonicNs() : 0; }
  /// What was to be timed held no datagram.
  void putOff() { sampler_.putOff(); }

  /// A batch of `datagrams` took so long altogether.
  void addService(uint64_t batchNs, uint64_t datagrams) {
    if (datagrams != 0) service_.add(batchNs / datagrams, datagrams);
  }
  void addResidence(uint64_t ns, uint64_t datagrams) { residence_.add(ns, datagrams); }

 private:
  TimeHistogram service_;
  TimeHistogram residence_;
  BatchSampler sampler_;
};

struct WorkerTiming {
  WorkerTiming(const WorkerCounters& counters, const ClockUse& use, uint32_t worker)
      : forward(counters.histogram(Timing::kForwardService), counters.histogram(Timing::kForwardResidence),
                {use.oneIn, 2 * worker + 1}),
        backward(counters.histogram(Timing::kReturnService), counters.histogram(Timing::kReturnResidence),
                 {use.oneIn, 2 * worker + 2}) {}

  DirectionTiming forward;
  DirectionTiming backward;
};

}  // namespace quicproxy
