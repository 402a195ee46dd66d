#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "forward/payload_mark.h"
#include "io/icmp_kind.h"
#include "wire/four_tuple.h"

namespace quicproxy {

/// What an ICMP error says of a datagram that was sent.
struct IcmpError {
  IcmpKind kind;         ///< never kOther
  FourTuple path;        ///< of the datagram that it quotes: from local to remote
  uint32_t udp;          ///< its length and checksum as they stand in the UDP header
  uint8_t payloadBytes;  ///< of its payload that are quoted, as far as kept
  std::array<uint8_t, PayloadMark::kPayloadBytes> payload;

  [[nodiscard]] std::span<const uint8_t> quotedPayload() const { return {payload.data(), payloadBytes}; }
};

/// What stands before the quoted datagram, behind the outer IP header.
inline constexpr size_t kIcmpHeaderBytes = 8;

/// Reads an ICMP error about a UDP datagram. message: as a raw socket of the family gives it, for IPv4 from the IP
/// header on, for IPv6 from the ICMPv6 header on. Nothing for any other message, and for one that quotes no whole UDP
/// header.
std::optional<IcmpError> parseIcmpError(std::span<const uint8_t> message, bool v6);

}  // namespace quicproxy
