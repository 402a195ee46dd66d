#include "forward/flow_sender.h"

#include <cerrno>

#include "context/worker_context.h"

namespace quicproxy {

namespace {

/// An ICMP error that came in since the last call is told by the next call on the socket, which then sends nothing. But
/// for ECONNREFUSED it may as well be this call's own: then the second attempt meets it again. Datagrams that are too
/// big come in numbers, so only the first of a group gets one for that.
bool mayBeEarlierError(int error, bool isFirst) {
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH || (error == EMSGSIZE && isFirst);
}

}  // namespace

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
  const uint16_t slot = context.flows.at(departures[group.first].flow).backendSlot;
  int firstError = 0;  // of the message in front, when it is being tried a second time
  while (!out_.done()) {
    const uint32_t front = out_.front();
    const int sent = out_.send(fd);
    const int error = sent > 0 ? 0 : errno;
    if (firstError == ECONNREFUSED || (firstError != 0 && error != firstError)) {
      context.countIcmpError(slot, firstError);
    }
    if (firstError == 0 && mayBeEarlierError(error, front == 0)) {
      firstError = error;
      continue;
    }
    firstError = 0;
    const uint32_t taken = sent > 0 ? static_cast<uint32_t>(sent) : out_.drop();
    for (uint32_t i = front; i < front + taken; i++) departures[positions_[i]].error = error;
  }
  const SendBatch::Tally& tally = out_.tally();
  context.counters.add(Counter::forward_calls, tally.calls);
  context.counters.add(Counter::forward_trains, tally.trains);
  context.counters.add(Counter::forward_trains_refused, tally.trainsRefused);
  if (tally.deviceRefused) pause_.begin(context.nowMs);
}

}  // namespace quicproxy
