#pragma once

#include <array>
#include <cstdint>

namespace quicproxy {

/// An address in network order; IPv4 as IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2).
using MappedAddress = std::array<uint8_t, 16>;

}  // namespace quicproxy
