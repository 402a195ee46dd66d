#include "forward/forward_path.h"

#include <algorithm>

#include "context/send_drop.h"
#include "io/clock.h"
#include "receive/receive_tally.h"

namespace quicproxy {

namespace {

constexpr int kMaxUnassuredLookedAt = 64;

/// A server answers a datagram that is no shorter and has a long header of a version (RFC 9000 sections 6.1, 14.1).
bool beginsConnection(std::span<const uint8_t> payload) {
  constexpr size_t kSmallestInitialBytes = 1200;
  if (payload.size() < kSmallestInitialBytes) return false;
  const Invariants packet = Invariants::parse(payload);
  return packet.form == HeaderForm::kLong && packet.version != 0;
}

}  // namespace

ForwardPath::ForwardPath(WorkerContext& context, uint32_t batch)
    : context_(context), batch_(batch), inRound_(context.flows.capacity()) {
  departures_.reserve(Upstream::kMaxDepartures);
}

ForwardPath::Taken ForwardPath::receive(uint8_t endpoint) {
  const int received = batch_.receive(context_.listenFd(endpoint), 0);
  if (received <= 0) return {0, 0};
  const uint16_t localPort = context_.snapshot->endpoints[endpoint]->address.port();
  receivedNs_ = context_.snapshot->sampleOneIn == 0 ? 0 : realtimeNs();
  const auto messages = static_cast<uint32_t>(received);
  ReceiveTally tally;
  for (uint32_t i = 0; i < messages; i++) {
    const Received message = batch_.received(i, localPort);
    tally.add(message);
    routeAll(message, endpoint);
  }
  tally.countInto(context_.counters);
  send();
  return {messages, tally.datagrams()};
}

ForwardPath::Taken ForwardPath::take(ReceiveRing& ring) {
  Taken taken{std::min(ring.waiting(), batch_.capacity()), 0};
  for (uint32_t i = 0; i < taken.messages; i++) {
    const ReceiveRing::Entry& entry = ring.at(i);
    receivedNs_ = entry.receivedNs;
    taken.datagrams += entry.message.datagrams();
    routeAll(entry.message, entry.endpoint);
  }
  send();
  ring.release(taken.messages);
  return taken;
}

void ForwardPath::routeAll(const Received& message, uint8_t endpoint) {
  const uint32_t count = message.datagrams();
  for (uint32_t at = 0; at < count; at++) route(message, message.datagram(at), endpoint);
}

void ForwardPath::route(const Received& message, std::span<const uint8_t> payload, uint8_t endpoint) {
  WorkerCounters& counters = context_.counters;
  const RouteView view = context_.snapshot->routeView();
  const bool stateless = context_.snapshot->mode == Mode::kBaseline;
  const Decision decision = stateless ? context_.router.decideStateless(view, message.tuple, payload, context_.nowMs)
                                      : context_.router.decide(view, message.tuple, payload, context_.nowMs);
  counters.add(parseCounter(decision.form));
  if (const auto unroutable = unroutableCounter(decision.quicLb)) counters.add(*unroutable);
  if (!message.unicast) {
    counters.add(Counter::route_dropped_not_unicast);
    return;
  }
  if (message.tuple.remotePort() == 0) {
    counters.add(Counter::route_dropped_source);
    return;
  }
  if (message.hopLimit <= 1) {
    counters.add(Counter::route_dropped_hop_limit);
    return;
  }
  const uint32_t flow = decision.flow != kNoFlow ? decision.flow : admit(decision, message, payload, endpoint);
  if (flow == kNoFlow) return;
  counters.add(routeCounter(decision.rule));
  if (decision.foundElsewhere && decision.rule == Rule::kDcid) counters.add(Counter::cid_found_elsewhere);
  if (!stateless) {
    const Recorded recorded = context_.router.record(view, decision, flow, context_.nowMs);
    counters.add(Counter::cid_claimed, recorded.cids);
    counters.add(Counter::cid_table_full, recorded.tableFull);
    if (context_.steering() != nullptr) context_.steering()->keepCid(context_.worker, recorded.vouched);
  }
  noteSeen(context_.flows.at(flow), payload.size());
  const bool sampled = (context_.flows.at(flow).flags & kFlowSampled) != 0;
  if (departures_.size() == Upstream::kMaxDepartures) send();
  inRound_[flow] = true;
  departures_.push_back({payload, receivedNs_, sampled ? realtimeNs() : 0, flow, 0, static_cast<uint8_t>(decision.rule),
                         static_cast<uint8_t>(message.hopLimit - 1), message.trafficClass});
}

/// Whoever answers to what was returned here does receive here; until then little more than three times what came is
/// returned.
void ForwardPath::noteSeen(Flow& flow, size_t datagramBytes) const {
  flow.lastSeenMs = context_.nowMs;
  if ((flow.flags & kFlowUnconfirmed) == 0) return;
  if ((flow.flags & kFlowReturnedTo) != 0) {
    flow.flags &= static_cast<uint8_t>(~kFlowUnconfirmed);
  } else {
    flow.allowance += static_cast<uint32_t>(3 * datagramBytes);
  }
}

/// A flow without answer goes before a new one is refused; one with an answer never does, nor one that datagrams of the
/// present round wait for.
void ForwardPath::makeRoom() {
  if (!context_.upstream.atBound(context_) && !context_.flows.full()) return;
  const uint32_t oldest = context_.flows.oldestUnassured();
  if (oldest == kNoFlow || inRound_[oldest]) return;
  context_.endFlow(oldest);
  context_.counters.add(Counter::flow_evicted);
}

/// The same where only flows to one backend stand in the way. Looks at the oldest few: with many backends it may find
/// none, and the new flow is refused.
bool ForwardPath::makeRoomToward(uint16_t backendSlot) {
  uint32_t flow = context_.flows.oldestUnassured();
  for (int looked = 0; flow != kNoFlow && looked < kMaxUnassuredLookedAt; looked++) {
    const Flow& candidate = context_.flows.at(flow);
    if (candidate.backendSlot == backendSlot && !inRound_[flow]) {
      // Not the new flow itself, which is the youngest and has no way yet.
      if (candidate.next == kNoFlow) return false;
      context_.endFlow(flow);
      context_.counters.add(Counter::flow_evicted);
      return true;
    }
    flow = candidate.next;
  }
  return false;
}

/// A flow for a datagram that has none, or kNoFlow with the reason counted.
uint32_t ForwardPath::admit(const Decision& decision, const Received& message, std::span<const uint8_t> payload,
                            uint8_t endpoint) {
  if (context_.snapshot->refusedSources.contain(message.tuple)) {
    context_.counters.add(Counter::route_dropped_source);
    return kNoFlow;
  }
  if (decision.rule == Rule::kNone) {
    context_.counters.add(Counter::route_dropped_no_backend);
    return kNoFlow;
  }
  if (!context_.budget.take(context_.snapshot->newFlowsPerSecond, context_.nowMs)) {
    context_.counters.add(Counter::route_dropped_budget);
    return kNoFlow;
  }
  const uint32_t flow = openFlow(decision, message, endpoint);
  if (flow == kNoFlow) return kNoFlow;
  context_.router.sampleNew(context_.snapshot->routeView(), decision, flow);
  // Those that a keyed hash spreads: by a Connection ID anybody can bring many flows to one backend.
  if (decision.rule == Rule::kFallback && beginsConnection(payload)) {
    context_.flows.at(flow).flags |= kFlowInitial;
    context_.counters.add(decision.backendSlot, BackendCounter::kInitialFlows);
  }
  return flow;
}

uint32_t ForwardPath::openFlow(const Decision& decision, const Received& message, uint8_t endpoint) {
  WorkerCounters& counters = context_.counters;
  makeRoom();
  // Before the sockets: their bound is never above the number of flows, and the remedies differ.
  if (context_.flows.full()) {
    counters.add(Counter::route_dropped_table_full);
    return kNoFlow;
  }
  if (context_.upstream.atBound(context_)) {
    counters.add(Counter::route_dropped_no_socket);
    return kNoFlow;
  }
  const uint8_t epoch = context_.snapshot->backends[decision.backendSlot].epoch;
  const uint32_t flow = context_.flows.create({message.tuple, decision.backendSlot, epoch, endpoint}, context_.nowMs);
  if (flow == kNoFlow) {
    counters.add(Counter::route_dropped_table_full);
    return kNoFlow;
  }
  const auto hopLimit = static_cast<uint8_t>(message.hopLimit - 1);
  Upstream::Outcome outcome = context_.upstream.open(context_, flow, hopLimit);
  if (outcome == Upstream::Outcome::kAtBound && makeRoomToward(decision.backendSlot)) {
    outcome = context_.upstream.open(context_, flow, hopLimit);
  }
  if (outcome != Upstream::Outcome::kOpened) {
    context_.flows.remove(flow);
    if (outcome == Upstream::Outcome::kFailed) counters.add(Counter::flow_socket_error);
    counters.add(Counter::route_dropped_no_socket);
    return kNoFlow;
  }
  counters.add(Counter::flow_created);
  if (decision.foundElsewhere && decision.rule == Rule::kTuple) counters.add(Counter::flow_found_elsewhere);
  // Its next Connection ID may be one that nobody has learned; the kernel's hash could lead to another worker.
  const bool routableMoved = decision.rule == Rule::kQuicLb && decision.form == HeaderForm::kShort;
  if (context_.steering() != nullptr && (decision.readdressed || routableMoved)) {
    context_.steering()->keepPath(context_.worker, message.tuple);
  }
  if (decision.readdressed) {
    counters.add(Counter::flow_readdressed);
    context_.flows.at(flow).flags |= kFlowUnconfirmed;
    context_.flows.at(flow).allowance = kPathAllowance;
  }
  counters.add(decision.backendSlot, BackendCounter::kFlowsCreated);
  counters.add(decision.backendSlot, BackendCounter::kFlows);
  return flow;
}

void ForwardPath::send() {
  if (departures_.empty()) return;
  context_.upstream.send(context_, departures_);
  for (const Departure& departure : departures_) {
    inRound_[departure.flow] = false;
    if (departure.error == 0) {
      countSent(departure);
    } else {
      countDropped(departure);
    }
  }
  departures_.clear();
}

void ForwardPath::countSent(const Departure& departure) {
  const uint16_t slot = context_.flows.at(departure.flow).backendSlot;
  context_.counters.add(Counter::forward_sent);
  context_.counters.add(Counter::forward_bytes, departure.payload.size());
  context_.counters.add(slot, BackendCounter::kForwarded);
  context_.counters.add(slot, BackendCounter::kForwardedBytes, departure.payload.size());
  note(departure, SampleOutcome::kSent);
}

void ForwardPath::countDropped(const Departure& departure) {
  context_.counters.add(kForwardDrops.of(departure.error));
  const uint16_t slot = context_.flows.at(departure.flow).backendSlot;
  context_.counters.add(slot, BackendCounter::kDropped);
  if (saysUnsendable(departure.error)) context_.counters.add(slot, BackendCounter::kUnsendable);
  note(departure, SampleOutcome::kDropped);
}

void ForwardPath::note(const Departure& departure, SampleOutcome outcome) {
  if (departure.routedNs == 0) return;
  Sample sample{};
  sample.receivedNs = departure.receivedNs;
  sample.routedNs = departure.routedNs;
  sample.sentNs = realtimeNs();
  sample.rule = departure.rule;
  sample.bytes = static_cast<uint32_t>(departure.payload.size());
  sample.direction = SampleDirection::kForward;
  sample.outcome = outcome;
  context_.note(departure.flow, sample);
}

}  // namespace quicproxy
