#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>

namespace quicproxy {

/// Octets at the beginning of a datagram that who is not on its path does not know: of a short header the first of the
/// Connection ID, of a long one the version and the first of the client's random ID (RFC 9000 section 7.2). The first
/// octet is left out.
class PayloadMark {
 public:
  /// How much of a payload it is made of, or compared with.
  static constexpr size_t kPayloadBytes = 17;

  PayloadMark() = default;
  explicit PayloadMark(std::span<const uint8_t> payload) {
    if (payload.size() < 2) return;
    const bool isLong = (payload[0] & 0x80) != 0;
    bytes_ = static_cast<uint8_t>(std::min(payload.size() - 1, isLong ? kLongBytes : kShortBytes));
    std::memcpy(octets_.data(), payload.data() + 1, bytes_);
  }

  /// Whether `quoted` begins as the payload did. Never for a payload of one octet or none, nor for a shorter quotation.
  [[nodiscard]] bool begins(std::span<const uint8_t> quoted) const {
    return bytes_ != 0 && quoted.size() > bytes_ && std::memcmp(quoted.data() + 1, octets_.data(), bytes_) == 0;
  }

 private:
  static constexpr size_t kLongBytes = 16;
  static constexpr size_t kShortBytes = 8;  ///< what comes behind the Connection ID differs with each datagram

  std::array<uint8_t, kLongBytes> octets_{};
  uint8_t bytes_ = 0;
};

}  // namespace quicproxy
