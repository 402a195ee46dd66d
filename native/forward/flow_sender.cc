#include "forward/flow_sender.h"

#include "context/worker_context.h"

namespace quicproxy {

FlowSender::FlowSender(uint32_t flowCapacity)
    : groups_(flowCapacity, Upstream::kMaxDepartures), out_(Upstream::kMaxDepartures) {}

void FlowSender::send(WorkerContext& context, std::span<Departure> departures, const FlowGroups::Group& group, int fd,
                      const SocketAddress* to) {
  out_.clear();
  groups_.gather(group, departures, {.to = to}, !pause_.holds(context.nowMs), out_);
  const EarlierErrors earlier = to == nullptr ? EarlierErrors::kPossible : EarlierErrors::kNone;
  out_.sendAll(fd, earlier, [&](uint32_t first, uint32_t count, int error) {
    for (uint32_t i = first; i < first + count; i++) departures[groups_.gathered(i)].error = error;
  });
  const SendBatch::Tally& tally = out_.tally();
  context.counters.add(Counter::forward_calls, tally.calls);
  context.counters.add(Counter::forward_trains, tally.trains);
  context.counters.add(Counter::forward_trains_refused, tally.trainsRefused);
  pause_.heed(tally, context.nowMs);
}

}  // namespace quicproxy
