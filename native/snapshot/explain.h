#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "io/failure.h"
#include "route/router.h"

namespace quicproxy {

/// Where a datagram goes and why, by the code that routes datagrams, with tables that remember nothing.
struct Explanation {
  Invariants packet;  ///< views into the datagram that was asked about
  Decision decision;
  std::optional<uint8_t> rotation;  ///< config rotation bits, where there is a Connection ID and a QUIC-LB config
  std::optional<ServerId> serverId;
  std::string backend;           ///< "address port", empty when nothing is routed
  std::string backendWithoutIt;  ///< where the datagram goes once that backend is removed; empty: nowhere
};

/// Neither opens a socket nor starts a thread.
std::variant<Explanation, Failure> explain(std::span<const uint8_t> contract, const FourTuple& tuple,
                                           std::span<const uint8_t> datagram);

}  // namespace quicproxy
