#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

namespace quicproxy {

/// The lengths of Connection IDs that backends chose, as seen in their long headers: a short header does not carry
/// its own (RFC 8999 section 5.2). Any number of threads may add and read.
///
/// Every short header from an address without a flow costs one hash and one look-up per length, so the set is bounded.
/// A length is forgotten when no backend has shown it for kForgottenMs; where the set is full, the one that was not
/// shown for longest gives way once that is kYieldsMs, and until then the new one is refused, for its caller to count.
class CidLengths {
 public:
  /// Longest Connection ID of QUIC v1 and v2 (RFC 9000 section 17.2); longer ones are never learned.
  static constexpr uint8_t kMaxLength = 20;
  /// Shorter ones repeat too soon to name anybody: of 2^24, two among 5,000 connections are the same, and one in 1,700
  /// datagrams with an ID that nobody knows would be taken for one of 10,000 strangers'.
  static constexpr uint8_t kMinLength = 4;
  /// From so many octets on an ID that nobody chose is not found by chance.
  static constexpr uint8_t kSureLength = 8;
  static constexpr int kMaxDistinct = 8;
  static constexpr uint32_t kForgottenMs = 3'600'000;
  static constexpr uint32_t kYieldsMs = 10'000;

  /// Lengths in falling order: a Connection ID may begin with the octets of a shorter one, the longer match is right.
  class LongestFirst {
   public:
    class Iterator {
     public:
      explicit Iterator(uint32_t mask) : mask_(mask) {}
      uint8_t operator*() const { return static_cast<uint8_t>(std::bit_width(mask_ | 1) - 1); }
      Iterator& operator++() {
        mask_ ^= std::bit_floor(mask_);
        return *this;
      }
      bool operator==(const Iterator&) const = default;

     private:
      uint32_t mask_;
    };

    explicit LongestFirst(uint32_t mask) : mask_(mask) {}
    [[nodiscard]] Iterator begin() const { return Iterator(mask_); }
    // A range needs it beside begin(); the end of a set of bits is the empty set.
    [[nodiscard]] static Iterator end() { return Iterator(0); }

   private:
    uint32_t mask_;
  };

  static constexpr bool mayBeLearned(size_t length) { return length >= kMinLength && length <= kMaxLength; }

  /// A backend showed an ID of this length. True if the set holds it afterwards.
  bool add(uint8_t length, uint32_t nowMs) {
    if (!mayBeLearned(length)) return false;
    const uint32_t bit = uint32_t{1} << length;
    uint32_t seen = mask_.load(std::memory_order_relaxed);
    while ((seen & bit) == 0) {
      uint32_t kept = seen;
      if (std::popcount(seen) >= kMaxDistinct) {
        const uint8_t oldest = oldestOf(seen, nowMs);
        if (ageMs(oldest, nowMs) < kYieldsMs) return false;
        kept &= ~(uint32_t{1} << oldest);
      }
      show(length, nowMs);
      if (mask_.compare_exchange_weak(seen, kept | bit, std::memory_order_relaxed)) return true;
    }
    show(length, nowMs);
    return true;
  }

  /// To be called now and then, more often than every kForgottenMs.
  void forgetUnseen(uint32_t nowMs) {
    for (const uint8_t length : longestFirst()) {
      if (ageMs(length, nowMs) >= kForgottenMs) mask_.fetch_and(~(uint32_t{1} << length), std::memory_order_relaxed);
    }
  }

  [[nodiscard]] uint32_t mask() const { return mask_.load(std::memory_order_relaxed); }
  [[nodiscard]] LongestFirst longestFirst() const { return LongestFirst(mask()); }
  [[nodiscard]] bool empty() const { return mask() == 0; }

 private:
  /// Stamps are coarse: the line stays clean for the readers.
  static constexpr uint32_t kStampMs = 1000;

  void show(uint8_t length, uint32_t nowMs) {
    std::atomic<uint32_t>& shown = shownAtMs_[length];
    if (nowMs - shown.load(std::memory_order_relaxed) >= kStampMs) shown.store(nowMs, std::memory_order_relaxed);
  }
  [[nodiscard]] uint32_t ageMs(uint8_t length, uint32_t nowMs) const {
    const auto age = static_cast<int32_t>(nowMs - shownAtMs_[length].load(std::memory_order_relaxed));
    return age < 0 ? 0 : static_cast<uint32_t>(age);
  }
  [[nodiscard]] uint8_t oldestOf(uint32_t mask, uint32_t nowMs) const {
    uint8_t oldest = 0;
    for (const uint8_t length : LongestFirst(mask)) {
      if (oldest == 0 || ageMs(length, nowMs) > ageMs(oldest, nowMs)) oldest = length;
    }
    return oldest;
  }

  std::atomic<uint32_t> mask_{0};
  std::array<std::atomic<uint32_t>, kMaxLength + 1> shownAtMs_{};
};

}  // namespace quicproxy
