#include "route/server_ids.h"

#include <cstring>

namespace quicproxy {

namespace {

uint64_t mix(const Block128& octets) {
  uint64_t low = 0;
  uint64_t high = 0;
  std::memcpy(&low, octets.data(), 8);
  std::memcpy(&high, octets.data() + 8, 8);
  uint64_t hash = (low ^ (high * 0x9e3779b97f4a7c15)) * 0xff51afd7ed558ccd;
  hash ^= hash >> 32;
  return hash * 0xc4ceb9fe1a85ec53 >> 20;
}

}  // namespace

ServerIds::ServerIds(std::span<const std::pair<ServerId, uint16_t>> servers) {
  if (servers.empty()) return;
  size_t capacity = 16;
  while (capacity < servers.size() * 4) capacity *= 2;
  bool placed = false;
  for (; !placed; capacity *= 2) {
    entries_.assign(capacity, Entry{});
    placed = true;
    for (const auto& [server, slot] : servers) placed = placed && place(server.octets, slot);
  }
}

bool ServerIds::place(const Block128& octets, uint16_t slot) {
  const size_t home = mix(octets);
  for (size_t probe = 0; probe < kMaxProbes; probe++) {
    Entry& entry = entries_[(home + probe) % entries_.size()];
    if (entry.used) continue;
    entry = {octets, slot, true};
    return true;
  }
  return false;
}

std::optional<uint16_t> ServerIds::find(const ServerId& server) const {
  if (entries_.empty()) return std::nullopt;
  const size_t home = mix(server.octets);
  for (size_t probe = 0; probe < kMaxProbes; probe++) {
    const Entry& entry = entries_[(home + probe) & (entries_.size() - 1)];
    if (!entry.used) return std::nullopt;
    if (entry.octets == server.octets) return entry.slot;
  }
  return std::nullopt;
}

}  // namespace quicproxy
