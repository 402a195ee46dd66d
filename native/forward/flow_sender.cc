#include "forward/flow_sender.h"

#include "context/worker_context.h"

namespace quicproxy {

FlowSender::FlowSender(uint32_t flowCapacity)
    : groupOfFlow_(flowCapacity),
      next_(Upstream::kMaxDepartures),
      positions_(Upstream::kMaxDepartures),
      out_(Upstream::kMaxDepartures) {
  groups_.reserve(Upstream::kMaxDepartures);
}

void FlowSender::add(std::span<const Departure> departures, uint16_t index) {
  const uint32_t flow = departures[index].flow;
  const uint16_t guess = groupOfFlow_[flow];
  if (guess < groups_.size() && departures[groups_[guess].first].flow == flow) {
    Group& group = groups_[guess];
    next_[group.last] = index;
    group.last = index;
  } else {
    groupOfFlow_[flow] = static_cast<uint16_t>(groups_.size());
    groups_.push_back({index, index});
  }
}

/// The group's datagrams in order, those that may leave as one train together.
void FlowSender::gather(std::span<const Departure> departures, const Group& group, const SocketAddress* to,
                        bool trains) {
  out_.clear();
  uint8_t trafficClass = 0;
  for (uint16_t at = group.first;; at = next_[at]) {
    const Departure& departure = departures[at];
    positions_[out_.size()] = at;
    const bool joins = trains && departure.trafficClass == trafficClass && out_.join(departure.payload);
    if (!joins) out_.begin(departure.payload, {nullptr, departure.trafficClass, to});
    trafficClass = departure.trafficClass;
    if (at == group.last) return;
  }
}

void FlowSender::send(WorkerContext& context, std::span<Departure> departures, const Group& group, int fd,
                      const SocketAddress* to) {
  gather(departures, group, to, !pause_.holds(context.nowMs));
  const auto note = [&](uint32_t first, uint32_t count, int error) {
    for (uint32_t i = first; i < first + count; i++) departures[positions_[i]].error = error;
  };
  out_.sendAll(
      fd, to == nullptr ? EarlierErrors::kPossible : EarlierErrors::kNone,
      [&](uint32_t first, uint32_t count) { note(first, count, 0); }, note);
  const SendBatch::Tally& tally = out_.tally();
  context.counters.add(Counter::forward_calls, tally.calls);
  context.counters.add(Counter::forward_trains, tally.trains);
  context.counters.add(Counter::forward_trains_refused, tally.trainsRefused);
  if (tally.deviceRefused || tally.queueFull) pause_.begin(context.nowMs);
}

}  // namespace quicproxy
