#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "route/quic_lb.h"

namespace quicproxy {

/// Server ID to backend slot, for one QUIC-LB config. Built by the control thread, never changed afterwards. A look-up
/// reads at most kMaxProbes entries whatever a client sends: the table is made as large as that takes.
class ServerIds {
 public:
  struct Entry {
    Block128 octets;
    uint16_t slot;
    bool used;
  };

  ServerIds() = default;
  /// IDs must differ; all of one length.
  explicit ServerIds(std::span<const std::pair<ServerId, uint16_t>> servers);

  [[nodiscard]] std::optional<uint16_t> find(const ServerId& server) const;

 private:
  static constexpr size_t kMaxProbes = 8;

  bool place(const Block128& octets, uint16_t slot);

  std::vector<Entry> entries_;  ///< a power of two, or empty
};

}  // namespace quicproxy
