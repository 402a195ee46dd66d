#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

/// What may be read of a QUIC packet of any version, and nothing else (RFC 8999 section 5).
namespace quicproxy {

enum class HeaderForm : uint8_t {
  kLong,       ///< any version, also 0 (Version Negotiation, RFC 8999 section 6)
  kShort,      ///< or no QUIC at all: the form bit is all that tells (the fixed bit is greased, RFC 9287)
  kMalformed,  ///< a long header that ends before its source Connection ID does
  kEmpty,      ///< no octet
};

/// Views into the datagram it was parsed from.
///
///   long   1 flags | 4 version | 1 DCIL | DCID | 1 SCIL | SCID | ...
///   short  1 flags | DCID (length not encoded) | ...
struct Invariants {
  HeaderForm form = HeaderForm::kEmpty;
  uint32_t version = 0;             ///< kLong only
  std::span<const uint8_t> dcid{};  ///< kLong only, 0..255 octets
  std::span<const uint8_t> scid{};  ///< kLong only, 0..255 octets

  /// Of a datagram that holds several packets the first one counts: all carry the same DCID (RFC 9000 section 12.2).
  [[nodiscard]] static Invariants parse(std::span<const uint8_t> datagram) noexcept;
};

/// The DCID of a datagram with a short header if its length were `length` octets; none if the datagram is too short.
[[nodiscard]] std::optional<std::span<const uint8_t>> shortHeaderDcid(std::span<const uint8_t> datagram,
                                                                      size_t length) noexcept;

}  // namespace quicproxy
