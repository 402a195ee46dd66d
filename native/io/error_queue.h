#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "io/icmp_kind.h"

namespace quicproxy {

/// An entry of a socket's error queue (IP_RECVERR, ip(7)).
struct QueuedError {
  std::optional<IcmpKind> icmp;  ///< none: of this host's own kernel, about a datagram that the send call has refused
  uint32_t payloadBytes;         ///< of the quoted datagram, as far as it was quoted and there was room
};

/// Takes one; none when the queue is empty. A socket's error that waits for its next call (SO_ERROR) goes with the last
/// of them. payload: where what came back of the datagram's payload goes.
std::optional<QueuedError> takeQueuedError(int fd, std::span<uint8_t> payload);

/// Empties the queue as far as one turn may, so that it neither wakes its reader for ever nor fills the receive buffer,
/// which it shares. Returns how many came by ICMP.
uint32_t drainErrorQueue(int fd);

}  // namespace quicproxy
