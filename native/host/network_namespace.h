#pragma once

#include <optional>

#include "host/refusal.h"

namespace quicproxy::host {

/// Puts the main thread into the network namespace of an open file, such as /proc/1/ns/net or one of /run/netns.
/// /proc/net and /proc/sys/net of the process follow its main thread, so only that one may call: EPERM for others.
std::optional<Refusal> enterNetworkNamespace(int namespaceFile);

}  // namespace quicproxy::host
