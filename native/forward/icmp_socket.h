#pragma once

#include <array>
#include <optional>
#include <span>

#include "forward/payload_mark.h"
#include "forward/port_table.h"
#include "io/file_descriptor.h"

namespace quicproxy {

/// What an ICMP error says of a datagram that was sent.
struct IcmpError {
  enum class Kind : uint8_t { kUnreachable, kTooBig };
  Kind kind;
  FourTuple path;        ///< of the datagram that it quotes: from local to remote
  uint32_t udp;          ///< its length and checksum as they stand in the UDP header
  uint8_t payloadBytes;  ///< of its payload that are quoted, as far as kept
  std::array<uint8_t, PayloadMark::kPayloadBytes> payload;

  [[nodiscard]] std::span<const uint8_t> quotedPayload() const { return {payload.data(), payloadBytes}; }
};

/// Reads an ICMP error about a UDP datagram. message: as a raw socket of the family gives it, for IPv4 from the IP
/// header on, for IPv6 from the ICMPv6 header on. Nothing for any other message, and for one that quotes no whole UDP
/// header.
std::optional<IcmpError> parseIcmpError(std::span<const uint8_t> message, bool v6);

/// Receives all ICMP errors of the network namespace about UDP datagrams from the ports first..last. Raw sends have no
/// socket that the kernel could tell of them.
class IcmpSocket {
 public:
  IcmpSocket() = default;
  /// Empty, with errno set, when the kernel refuses.
  IcmpSocket(bool v6, uint16_t first, uint16_t last);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(fd_); }

  /// The next error; none when there is none left. Skips what is no error about a datagram of ours.
  std::optional<IcmpError> next();

 private:
  bool v6_ = false;
  FileDescriptor fd_;
};

}  // namespace quicproxy
