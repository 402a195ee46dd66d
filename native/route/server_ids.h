#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "route/quic_lb.h"
#include "route/siphash.h"

namespace quicproxy {

/// Server ID to backend slot, for one QUIC-LB config. Built by the control thread, never changed afterwards. A look-up
/// reads at most kMaxProbes entries whatever a client sends and whatever IDs somebody chose: their places depend on a
/// key, and where one key has no place for an ID the next key is taken.
class ServerIds {
 public:
  struct Entry {
    Block128 octets;
    uint16_t slot;
    bool used;
  };

  ServerIds() = default;
  /// IDs must differ; all of one length. key: nobody outside knows it.
  ServerIds(std::span<const std::pair<ServerId, uint16_t>> servers, SipKey key);

  [[nodiscard]] std::optional<uint16_t> find(const ServerId& server) const;
  /// Places, a power of two, or none.
  [[nodiscard]] size_t capacity() const { return entries_.size(); }

 private:
  static constexpr size_t kMaxProbes = 8;

  bool placeAll(std::span<const std::pair<ServerId, uint16_t>> servers);
  bool place(const Block128& octets, uint16_t slot);
  [[nodiscard]] uint64_t homeOf(const Block128& octets) const;

  SipKey key_{};
  std::vector<Entry> entries_;
};

}  // namespace quicproxy
