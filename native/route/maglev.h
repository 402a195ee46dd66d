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

/// Weighted Maglev hashing (Eisenbud et al., "Maglev: a fast and reliable software network load balancer", NSDI 2016,
/// section 3.4). A pure function of the key and the set of backends, so all proxies that share the key agree.
///
/// Size: a prime M >= 100 x backends, as the paper asks for. With equal weights the entries of any two backends then
/// differ by at most one, that is by at most 1 % of a share; with weights, a backend gets its share rounded to
/// a whole entry, never none. M is 65537 up to 655 backends and doubles from there, so that it changes only when the
/// number of backends crosses a step; crossing one draws the whole table anew, and only flow state keeps flows in
/// place.
///
/// Disruption: removing 1 of N moves its own 1/N of the hash space and disturbs some of the rest, in expectation at
/// most (1/N)(ln N / (1-1/N)^2 - 1/(1-1/N)) of the whole (derived in maglev_test.cc), less the larger M / N is.
/// Measured at M = 65537: 1.02 / N at N = 10, 1.6 / N at N = 100, 5.5 / N at N = 500. The price of equal shares: exact
/// minimal disruption (rendezvous hashing) would leave shares several percent apart.
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
