#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

namespace quicproxy {

/// The lengths of Connection IDs that backends chose, as seen in their long headers: a short header does not carry
/// its own (RFC 8999 section 5.2). Any number of threads may add and read.
///
/// Every short header from an address without a flow costs one hash and one look-up per length, so the set is bounded:
/// a broken backend that draws a new length for each connection must not make every packet try twenty of them.
/// Beyond the bound a length is not learned and its connections are found by 4-tuple alone.
class CidLengths {
 public:
  /// Longest Connection ID of QUIC v1 and v2 (RFC 9000 section 17.2); longer ones are never learned.
  static constexpr uint8_t kMaxLength = 20;
  /// A fleet on one stack has one length, two while it is upgraded.
  static constexpr int kMaxDistinct = 4;

  /// Lengths in falling order: a Connection ID may begin with the octets of a shorter one, the longer match is right.
  class LongestFirst {
   public:
    class Iterator {
     public:
      explicit Iterator(uint32_t mask) : mask_(mask) {}
      uint8_t operator*() const { return static_cast<uint8_t>(std::bit_width(mask_) - 1); }
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

  /// True if the set holds `length` afterwards. An empty Connection ID identifies nobody (RFC 9000 section 5.1): looked
  /// up, it would be the same key for all connections, so 0 is never a member.
  bool add(uint8_t length) {
    if (length == 0 || length > kMaxLength) return false;
    const uint32_t bit = uint32_t{1} << length;
    uint32_t seen = mask_.load(std::memory_order_relaxed);
    while ((seen & bit) == 0) {
      if (std::popcount(seen) >= kMaxDistinct) return false;
      if (mask_.compare_exchange_weak(seen, seen | bit, std::memory_order_relaxed)) return true;
    }
    return true;
  }

  [[nodiscard]] LongestFirst longestFirst() const { return LongestFirst(mask_.load(std::memory_order_relaxed)); }
  [[nodiscard]] bool empty() const { return mask_.load(std::memory_order_relaxed) == 0; }

 private:
  std::atomic<uint32_t> mask_{0};
};

}  // namespace quicproxy
