#include "context/counter_region.h"

#include <cstring>

namespace quicproxy {

namespace {

/// Two workers never write to one cache line, nor to the pair that the hardware fetches together.
constexpr uint32_t kAlignment = 128;

constexpr uint32_t aligned(uint32_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

CounterRegion::CounterRegion(uint32_t maxWorkers, uint32_t backendSlots) {
  header_.magic = kCountersMagic;
  header_.version = kCountersVersion;
  header_.countersPerWorker = kCounterCount;
  header_.gaugesPerWorker = kGaugeCount;
  header_.workerOffset = aligned(sizeof(CountersHeader));
  // What the worker's thread, its receiving thread and both write lies apart.
  header_.timings = kTimingCount;
  header_.cellsPerTiming = kTimingCells;
  header_.timingOffset = aligned((kCounterCount + kGaugeCount) * sizeof(CounterCell));
  header_.receiverOffset = header_.timingOffset + aligned((1 + kTimingCount * kTimingCells) * sizeof(CounterCell));
  header_.workerStride = header_.receiverOffset + aligned(sizeof(CounterCell));
  header_.backendSlots = backendSlots;
  header_.countersPerBackend = kBackendCounterCount;
  header_.backendOffset = header_.workerOffset + maxWorkers * header_.workerStride;
  header_.backendStride = aligned(backendSlots * kBackendCounterCount * static_cast<uint32_t>(sizeof(CounterCell)));
  memory_ = MappedMemory(header_.backendOffset + size_t{maxWorkers} * header_.backendStride, "quicproxy-counters");
  if (memory_) std::memcpy(memory_.data(), &header_, sizeof header_);
}

void CounterRegion::use(uint32_t workers) {
  if (workers <= header_.workers) return;
  header_.workers = workers;
  std::atomic_ref(reinterpret_cast<CountersHeader*>(memory_.data())->workers).store(workers);
}

WorkerCounters CounterRegion::of(uint32_t worker) const {
  auto* block = memory_.data() + header_.workerOffset + size_t{worker} * header_.workerStride;
  auto* backends = memory_.data() + header_.backendOffset + size_t{worker} * header_.backendStride;
  return {reinterpret_cast<CounterCell*>(block), reinterpret_cast<CounterCell*>(backends),
          reinterpret_cast<CounterCell*>(block + header_.timingOffset),
          reinterpret_cast<CounterCell*>(block + header_.receiverOffset)};
}

}  // namespace quicproxy
