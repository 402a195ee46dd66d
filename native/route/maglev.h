#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "abi/contract.h"
#include "route/siphash.h"

namespace quicproxy {

/// What a backend is hashed by: its IPv6 address (IPv4 as ::ffff:a.b.c.d) and its port, in network order.
using BackendId = std::array<uint8_t, 18>;

[[nodiscard]] BackendId backendIdOf(const BackendRecord& record);

struct MaglevBackend {
  BackendId id{};
  uint32_t weight = 0;
  uint16_t slot = 0;  ///< what lookup() answers
};

/// Weighted consistent hashing over a table, with the walks of Maglev (Eisenbud et al., "Maglev: a fast and reliable
/// software network load balancer", NSDI 2016, section 3.4) and the rule of rendezvous hashing: every backend walks
/// over all entries in an order of its own, the faster the greater its weight, and an entry belongs to whoever comes to
/// it first. Maglev lets a backend whose turn meets a taken entry walk on to a free one; its shares are then equal, but
/// a backend that leaves moves the entries of others, 5.5 / N of the whole for 1 of N = 500. Here it moves its own and
/// no other (docs/adr/0020). A pure function of the key and the set of backends, so all proxies that share the key
/// agree.
///
/// Shares are about as even as chance makes them: a standard deviation of 0.4 % at N = 10, 2.2 % at N = 65 and at
/// N = 1000, 7 % at N = 10,000. A weight far below one entry's worth of the sum may get none.
///
/// Size: a prime M of 65537 up to 65 backends, 1048583 (2 MiB) up to 10,485, then 2097169. Crossing a step draws the
/// whole table anew, and only flow state keeps flows in place. Building takes M ln M steps, some 0.2 s of CPU at M =
/// 1048583.
class MaglevTable {
 public:
  static constexpr uint16_t kNoBackend = 0xffff;

  /// An empty table, in which every look-up answers kNoBackend.
  MaglevTable() = default;

  /// Allocates: not for the packet path. Backends with weight 0 get no entry but count for the table's size, so that
  /// draining one does not cross a step.
  [[nodiscard]] static MaglevTable build(const SipKey& key, std::span<const MaglevBackend> backends);

  /// The prime M for a number of backends, at most kMaxBackends of them.
  [[nodiscard]] static uint32_t sizeFor(size_t backendCount);

  /// True if no backend has a weight above zero.
  [[nodiscard]] bool empty() const { return entries_[0] == kNoBackend; }

  [[nodiscard]] uint16_t lookup(uint64_t hash) const { return entries_[hash % entries_.size()]; }

  [[nodiscard]] std::span<const uint16_t> entries() const { return entries_; }

 private:
  std::vector<uint16_t> entries_ = {kNoBackend};
};

}  // namespace quicproxy
