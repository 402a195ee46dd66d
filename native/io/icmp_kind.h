#pragma once

#include <cstdint>

namespace quicproxy {

/// What an ICMP error says of the datagram that it quotes.
enum class IcmpKind : uint8_t {
  kUnreachable,  ///< destination unreachable
  kTooBig,       ///< fragmentation needed, packet too big
  kOther,        ///< any other message
};

/// By the first two octets of the message.
[[nodiscard]] IcmpKind icmpKindOf(bool v6, uint8_t type, uint8_t code);

}  // namespace quicproxy
