#include "io/clock_cost.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "io/clock.h"

namespace quicproxy {

namespace {

constexpr int kRounds = 16;
constexpr uint32_t kReadsPerRound = 32;

/// A wake-up of a worker for one datagram costs some microseconds, of which this is a hundredth.
constexpr uint32_t kMaxReadPerWakeUpNs = 60;
/// A batch of one datagram that is timed costs two or three readings. Per batch, on average:
constexpr uint32_t kReadPerBatchNs = 3;
constexpr uint32_t kReadsPerTimedBatch = 3;
constexpr uint32_t kMinOneIn = 16;
constexpr uint32_t kMaxOneIn = 4096;

}  // namespace

uint32_t measureClockReadNs() {
  uint64_t fastest = std::numeric_limits<uint64_t>::max();
  for (int round = 0; round < kRounds; round++) {
    const uint64_t beganNs = monotonicNs();
    uint64_t lastNs = beganNs;
    for (uint32_t i = 0; i < kReadsPerRound; i++) lastNs = monotonicNs();
    fastest = std::min(fastest, lastNs - beganNs);
  }
  return static_cast<uint32_t>(std::min<uint64_t>(fastest / kReadsPerRound, std::numeric_limits<uint32_t>::max()));
}

ClockUse ClockUse::forReadNs(uint32_t readNs) {
  const uint64_t wanted = uint64_t{readNs} * kReadsPerTimedBatch / kReadPerBatchNs;
  const auto oneIn = static_cast<uint32_t>(std::clamp<uint64_t>(wanted, kMinOneIn, kMaxOneIn));
  return {readNs, std::bit_ceil(oneIn), readNs > kMaxReadPerWakeUpNs};
}

uint64_t ClockUse::nowNs() const { return coarse ? coarseMonotonicNs() : monotonicNs(); }

}  // namespace quicproxy
