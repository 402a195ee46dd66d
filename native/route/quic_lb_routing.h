#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "route/quic_lb.h"
#include "route/server_ids.h"

namespace quicproxy {

/// All live QUIC-LB configs with their server IDs: step 1 of the forwarding order. Built by the control thread.
class QuicLbRouting {
 public:
  enum class Outcome : uint8_t {
    kOff,       ///< no config at all
    kNoConfig,  ///< the rotation bits name no live config, or 0b111: not routable
    kTooShort,
    kUnknownServer,
    kRouted,
  };
  struct Result {
    Outcome outcome;
    uint16_t backendSlot = 0;  ///< kRouted only
    size_t cidLength = 0;      ///< kRouted only: octets that the config gives a meaning to
    bool encrypted = false;    ///< kRouted only: nobody but a server makes such an ID, not in plain text
  };

  void add(uint8_t rotation, const QuicLbConfig& config, ServerIds servers) {
    configs_[rotation] = Entry{config, std::move(servers)};
    any_ = true;
  }

  [[nodiscard]] bool any() const { return any_; }

  /// `cid`: a long header's DCID, or what follows the first octet of a short header.
  [[nodiscard]] Result route(std::span<const uint8_t> cid) const {
    if (!any_) return {Outcome::kOff};
    if (cid.empty()) return {Outcome::kTooShort};
    const size_t rotation = cid[0] >> 5;
    if (rotation >= kQuicLbConfigs) return {Outcome::kNoConfig};
    const std::optional<Entry>& entry = configs_[rotation];
    if (!entry) return {Outcome::kNoConfig};
    if (cid.size() < entry->config.cidLength()) return {Outcome::kTooShort};
    const auto slot = entry->servers.find(entry->config.decode(cid));
    if (!slot) return {Outcome::kUnknownServer};
    return {Outcome::kRouted, *slot, entry->config.cidLength(), entry->config.encrypted()};
  }

 private:
  struct Entry {
    QuicLbConfig config;
    ServerIds servers;
  };
  std::array<std::optional<Entry>, kQuicLbConfigs> configs_;
  bool any_ = false;
};

}  // namespace quicproxy
