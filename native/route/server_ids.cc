#include "route/server_ids.h"

#include <algorithm>
#include <cstring>

namespace quicproxy {

namespace {

/// Of this many keys one has a place for each of a million random IDs at a quarter of the load, by far.
constexpr int kKeysPerSize = 8;

}  // namespace

/// A multiplication of two keyed words, folded: four times as fast as SipHash, and an ID is looked up for each
/// datagram.
uint64_t ServerIds::homeOf(const Block128& octets) const {
  uint64_t low = 0;
  uint64_t high = 0;
  std::memcpy(&low, octets.data(), 8);
  std::memcpy(&high, octets.data() + 8, 8);
  __extension__ using Product = unsigned __int128;
  const Product product = static_cast<Product>(low ^ key_.k0) * (high ^ key_.k1);
  const uint64_t folded = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  return folded ^ folded >> 32;
}

ServerIds::ServerIds(std::span<const std::pair<ServerId, uint16_t>> servers, SipKey key) : key_(key) {
  if (servers.empty()) return;
  size_t capacity = 16;
  while (capacity < servers.size() * 4) capacity *= 2;
  for (int tries = 1;; tries++) {
    // The lowest bit: a factor of zero would put all IDs into one place.
    const uint8_t number[] = {static_cast<uint8_t>(tries), static_cast<uint8_t>(tries >> 8)};
    const Digest128 derived = sipHash128(key, number);
    key_ = {derived.low | 1, derived.high | 1};
    entries_.assign(capacity, Entry{});
    if (placeAll(servers)) return;
    if (tries % kKeysPerSize == 0) capacity *= 2;
  }
}

bool ServerIds::placeAll(std::span<const std::pair<ServerId, uint16_t>> servers) {
  return std::all_of(servers.begin(), servers.end(),
                     [this](const auto& server) { return place(server.first.octets, server.second); });
}

bool ServerIds::place(const Block128& octets, uint16_t slot) {
  const size_t home = homeOf(octets);
  for (size_t probe = 0; probe < kMaxProbes; probe++) {
    Entry& entry = entries_[(home + probe) & (entries_.size() - 1)];
    if (entry.used) continue;
    entry = {octets, slot, true};
    return true;
  }
  return false;
}

std::optional<uint16_t> ServerIds::find(const ServerId& server) const {
  if (entries_.empty()) return std::nullopt;
  const size_t home = homeOf(server.octets);
  for (size_t probe = 0; probe < kMaxProbes; probe++) {
    const Entry& entry = entries_[(home + probe) & (entries_.size() - 1)];
    if (!entry.used) return std::nullopt;
    if (entry.octets == server.octets) return entry.slot;
  }
  return std::nullopt;
}

}  // namespace quicproxy
