#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "host/refusal.h"

namespace quicproxy::host {

/// Most that a call can bring: 8,000 statistics have 256 KB of names.
constexpr size_t kEthtoolAnswerMaximumBytes = size_t{4} * 1024 * 1024;

/// One SIOCETHTOOL for an interface of the present network namespace. `request`: a struct of linux/ethtool.h, whose
/// first word is the command. Returns the first `answerBytes` of what the kernel made of it; what it left alone is 0.
/// The kernel writes as many statistics as the driver has now, not as many as were asked for: beyond the greatest
/// answer that is EFAULT.
std::variant<std::vector<uint8_t>, Refusal> callEthtool(std::string_view interfaceName,
                                                        std::span<const uint8_t> request, size_t answerBytes);

}  // namespace quicproxy::host
