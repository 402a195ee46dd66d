#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace quicproxy {

/// Index of a counter inside a worker's block; order of counters.def.
enum class Counter : uint8_t {
#define QP_COUNTER(stage, outcome, kind, help) stage##_##outcome,
#include "abi/counters.def"
#undef QP_COUNTER
  kCount,
};

inline constexpr uint32_t kCounterCount = static_cast<uint32_t>(Counter::kCount);

/// Values that go up and down; they follow the counters in a worker's block.
enum class Gauge : uint8_t {
  kGeneration,             ///< contract generation the worker runs on
  kFlows,                  ///< live flows
  kUpstreamSockets,        ///< open upstream sockets
  kCids,                   ///< live entries of the Connection ID table
  kUpstreamReceiveBuffer,  ///< of the upstream sockets, octets as the kernel accounts them; the smallest
  kRingHighWater,          ///< most messages that ever waited in the ring of mode Decoupled
  kCount,
};

inline constexpr uint32_t kGaugeCount = static_cast<uint32_t>(Gauge::kCount);

/// Per worker and backend slot.
enum class BackendCounter : uint8_t {
  kForwarded,
  kForwardedBytes,
  kReturned,
  kReturnedBytes,
  kFlowsCreated,
  kDropped,
  kRefused,
  kUnsendable,            ///< datagrams and new flows for which this host had no way to the backend
  kInitialFlows,          ///< of kFlowsCreated those that the hash placed and whose first datagram could begin a QUIC
                          ///< connection
  kFlowsAnswered,         ///< of kFlowsCreated those on which anything came back
  kInitialFlowsAnswered,  ///< of kInitialFlows those
  kFlows,                 ///< gauge
  kCount,
};

inline constexpr uint32_t kBackendCounterCount = static_cast<uint32_t>(BackendCounter::kCount);

/// How long datagrams take, as histograms over datagrams (context/time_histogram.h), of sampled batches. A batch is
/// what one receive call brought (of replies: what was collected until it was sent).
enum class Timing : uint8_t {
  kForwardService,    ///< client to backend: the batch's time in the worker's thread, divided by its datagrams
  kReturnService,     ///< backend to client: the same
  kForwardResidence,  ///< from before the receive call that brought a datagram until after the send call
  kReturnResidence,   ///< the same
  kCount,
};

inline constexpr uint32_t kTimingCount = static_cast<uint32_t>(Timing::kCount);

/// Bounds of the histograms: below 2^first ns, then 2^stepBits equal steps to each power of two, then 2^last ns and
/// more.
inline constexpr uint32_t kTimeFirstExponent = 8;
inline constexpr uint32_t kTimeLastExponent = 27;
inline constexpr uint32_t kTimeStepBits = 2;
inline constexpr uint32_t kTimeBuckets = ((kTimeLastExponent - kTimeFirstExponent) << kTimeStepBits) + 2;

/// The sum of the times, then the buckets.
inline constexpr uint32_t kTimingCells = 1 + kTimeBuckets;

/// A cell that one thread writes and any thread or process reads: no locked instruction.
class CounterCell {
 public:
  void add(uint64_t n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  [[nodiscard]] uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_;
};

static_assert(sizeof(CounterCell) == 8 && std::atomic<uint64_t>::is_always_lock_free);

/// First bytes of the shared counter region; all offsets are from the region's start.
///
///   [CountersHeader][worker 0: counters, gauges; busy, timings; busy of its receiver][worker 1: ...]
///   [worker 0: backend slots][worker 1: ...]
///
/// busy: how long a thread has worked (context/busy_time.h).
struct CountersHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t workers;  ///< blocks in use; grows, and never shrinks
  uint32_t countersPerWorker;
  uint32_t gaugesPerWorker;
  uint32_t workerOffset;
  uint32_t workerStride;
  uint32_t backendSlots;
  uint32_t countersPerBackend;
  uint32_t backendOffset;
  uint32_t backendStride;  ///< bytes from one worker's backend block to the next
  uint32_t timings;
  uint32_t cellsPerTiming;
  uint32_t timingOffset;    ///< from a worker's block to the busy cell of its thread, which its timings follow
  uint32_t receiverOffset;  ///< from a worker's block to the busy cell of its receiving thread
  uint32_t reserved;
};

inline constexpr uint32_t kCountersMagic = 0x43505051;  // "QPPC"
inline constexpr uint32_t kCountersVersion = 2;

}  // namespace quicproxy
