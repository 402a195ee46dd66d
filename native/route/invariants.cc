#include "route/invariants.h"

namespace quicproxy {

namespace {

constexpr uint8_t kLongFormBit = 0x80;
constexpr size_t kFlagsAndVersionBytes = 5;

uint32_t readVersion(std::span<const uint8_t> datagram) {
  return uint32_t{datagram[1]} << 24 | uint32_t{datagram[2]} << 16 | uint32_t{datagram[3]} << 8 | datagram[4];
}

/// Takes a length octet and that many octets off the front of `rest`.
std::optional<std::span<const uint8_t>> takeConnectionId(std::span<const uint8_t>& rest) {
  if (rest.empty()) return std::nullopt;
  const size_t length = rest[0];
  if (rest.size() - 1 < length) return std::nullopt;
  const std::span<const uint8_t> id = rest.subspan(1, length);
  rest = rest.subspan(1 + length);
  return id;
}

}  // namespace

Invariants Invariants::parse(std::span<const uint8_t> datagram) noexcept {
  if (datagram.empty()) return {.form = HeaderForm::kEmpty};
  if ((datagram[0] & kLongFormBit) == 0) return {.form = HeaderForm::kShort};
  if (datagram.size() < kFlagsAndVersionBytes) return {.form = HeaderForm::kMalformed};

  std::span<const uint8_t> rest = datagram.subspan(kFlagsAndVersionBytes);
  const auto dcid = takeConnectionId(rest);
  if (!dcid) return {.form = HeaderForm::kMalformed};
  const auto scid = takeConnectionId(rest);
  if (!scid) return {.form = HeaderForm::kMalformed};
  return {.form = HeaderForm::kLong, .version = readVersion(datagram), .dcid = *dcid, .scid = *scid};
}

std::optional<std::span<const uint8_t>> shortHeaderDcid(std::span<const uint8_t> datagram, size_t length) noexcept {
  if (datagram.empty() || datagram.size() - 1 < length) return std::nullopt;
  return datagram.subspan(1, length);
}

}  // namespace quicproxy
