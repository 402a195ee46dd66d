#pragma once

#include <cstdint>
#include <vector>

#include "route/flow.h"
#include "route/siphash.h"
#include "wire/four_tuple.h"

namespace quicproxy {

/// Finds the flow of a path between a backend (remote) and a source address and port of ours (local); about 12 octets
/// for each flow. A place holds 32 bits of the path's keyed hash and the flow. Linear probing, and a removal moves
/// later entries up, so that no path needs a second place and nothing is left behind.
class PortTable {
 public:
  /// flows: how many entries there may be at most.
  PortTable(uint32_t flows, SipKey key);

  [[nodiscard]] uint32_t hash(const FourTuple& path) const;

  /// Calls isMatch(flow) for each flow whose path has this hash until it says true. Returns that flow, or kNoFlow.
  template <typename IsMatch>
  [[nodiscard]] uint32_t find(uint32_t hash, IsMatch&& isMatch) const {
    for (size_t at = home(hash); places_[at].flow != kNoFlow; at = after(at)) {
      if (places_[at].hash == hash && isMatch(places_[at].flow)) return places_[at].flow;
    }
    return kNoFlow;
  }
  void insert(uint32_t hash, uint32_t flow);
  /// False when there is no such entry.
  bool erase(uint32_t hash, uint32_t flow);

 private:
  struct Place {
    uint32_t hash = 0;
    uint32_t flow = kNoFlow;
  };

  [[nodiscard]] size_t home(uint32_t hash) const { return uint64_t{hash} * places_.size() >> 32; }
  [[nodiscard]] size_t after(size_t at) const { return at + 1 == places_.size() ? 0 : at + 1; }

  SipKey key_;
  std::vector<Place> places_;
};

}  // namespace quicproxy
