#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "host/refusal.h"

namespace quicproxy::host {

struct NetlinkLimits {
  int deadlineMs;       ///< for the whole exchange
  size_t maximumBytes;  ///< of the answer
};

/// Sends one request (struct nlmsghdr and what follows it) on a socket of its own and returns the octets of all
/// messages that answer it. An answer that a limit or a short receive cut off has no NLMSG_DONE at its end: whoever
/// decodes it sees that. Refusals that the kernel sends as a message (NLMSG_ERROR) are part of the answer.
std::variant<std::vector<uint8_t>, Refusal> exchangeNetlink(int protocol, std::span<const uint8_t> request,
                                                            NetlinkLimits limits);

}  // namespace quicproxy::host
