#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "abi/sample.h"

namespace quicproxy {

/// Bounded queue of samples from one worker to the control thread, without locks. A full ring loses samples, never
/// a datagram.
class SampleRing {
 public:
  static constexpr uint32_t kCapacity = 2048;

  /// Worker only. False when the ring is full.
  bool push(const Sample& sample) {
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == kCapacity) return false;
    (*slots_)[tail % kCapacity] = sample;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  /// Control thread only. False when there is none.
  bool pop(Sample& sample) {
    const uint32_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return false;
    sample = (*slots_)[head % kCapacity];
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

 private:
  std::unique_ptr<std::array<Sample, kCapacity>> slots_ = std::make_unique<std::array<Sample, kCapacity>>();
  alignas(128) std::atomic<uint32_t> head_{0};
  alignas(128) std::atomic<uint32_t> tail_{0};
};

}  // namespace quicproxy
