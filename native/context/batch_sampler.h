#pragma once

#include <cstdint>

namespace quicproxy {

/// Picks one in so many batches on average, at irregular distances: traffic that comes in a rhythm is not seen at one
/// beat of it alone.
class BatchSampler {
 public:
  /// oneIn: from 1 to 2^31. seed: any number.
  BatchSampler(uint32_t oneIn, uint32_t seed) : spread_(2 * oneIn - 1), state_(seed | 1) { draw(); }

  /// To be asked once for each batch.
  [[nodiscard]] bool due() {
    if (--left_ != 0) return false;
    draw();
    return true;
  }
  /// The batch that was due turned out to be none: the next one is.
  void putOff() { left_ = 1; }

 private:
  /// xorshift32 (Marsaglia 2003).
  void draw() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    left_ = 1 + state_ % spread_;
  }

  uint32_t spread_;
  uint32_t state_;
  uint32_t left_ = 0;
};

}  // namespace quicproxy
