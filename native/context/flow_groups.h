#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "io/send_batch.h"

namespace quicproxy {

/// The datagrams of a round by flow, each flow's in order of arrival, and how they go into a batch: those that may
/// leave as one train together. Datagrams have the numbers that their owner gives them, from 0 on.
class FlowGroups {
 public:
  struct Group {
    uint32_t flow;
    uint16_t first;  ///< of its datagrams
    uint16_t last;
    uint8_t epoch;
  };

  /// Flows are numbered below flowCapacity, datagrams of a round below `datagrams`.
  FlowGroups(uint32_t flowCapacity, uint32_t datagrams)
      : groupOfFlow_(flowCapacity), next_(datagrams), gathered_(datagrams) {
    groups_.reserve(datagrams);
  }

  void clear() { groups_.clear(); }
  [[nodiscard]] std::span<const Group> all() const { return groups_; }

  /// epoch: tells two flows of one number, where a flow may end within a round. Returns the group's place in all().
  uint16_t add(uint32_t flow, uint8_t epoch, uint16_t datagram) {
    const uint16_t guess = groupOfFlow_[flow];
    if (guess < groups_.size() && groups_[guess].flow == flow && groups_[guess].epoch == epoch) {
      Group& group = groups_[guess];
      next_[group.last] = datagram;
      group.last = datagram;
      return guess;
    }
    const auto place = static_cast<uint16_t>(groups_.size());
    groupOfFlow_[flow] = place;
    groups_.push_back({flow, datagram, datagram, epoch});
    return place;
  }

  /// Adds a group to the batch. Of `datagrams`, by number, it wants payload and trafficClass.
  template <typename Datagrams>
  void gather(const Group& group, const Datagrams& datagrams, Heading heading, bool trains, SendBatch& out) {
    for (uint16_t at = group.first;; at = next_[at]) {
      const auto& datagram = datagrams[at];
      gathered_[out.size()] = at;
      const bool mayJoin = trains && at != group.first && datagram.trafficClass == heading.trafficClass;
      heading.trafficClass = datagram.trafficClass;
      if (!mayJoin || !out.join(datagram.payload)) out.begin(datagram.payload, heading);
      if (at == group.last) return;
    }
  }

  /// Which datagram is at a place of the batch that groups were gathered into since it was cleared.
  [[nodiscard]] uint16_t gathered(uint32_t place) const { return gathered_[place]; }

 private:
  std::vector<Group> groups_;
  std::vector<uint16_t> groupOfFlow_;  ///< by flow: a guess that groups_ confirms
  std::vector<uint16_t> next_;         ///< by datagram: the next one of its group
  std::vector<uint16_t> gathered_;     ///< by place in the batch
};

}  // namespace quicproxy
