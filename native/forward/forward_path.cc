#include "forward/forward_path.h"

#include <algorithm>

#include "context/send_drop.h"
#include "io/clock.h"
#include "receive/receive_tally.h"

namespace quicproxy {

namespace {

/// Flows that may give way to one.
constexpr int kMaxRoomsMade = 4;

/// What a worker's strangers may cost: a look into the other workers' tables is less than a microsecond, and after a
/// change of the number of workers each path needs one.
constexpr uint32_t kSearchesPerNewFlow = 16;

/// Moves of one connection in a second that are believed to be moves: a NAT makes one now and then, somebody who has
/// one ID and writes others' addresses makes thousands.
constexpr uint8_t kMovesPerSecond = 8;

/// Datagrams of a live flow with IDs that nobody knows: a client that comes with ever new ones pays no more than
/// others.
constexpr uint8_t kSearchesPerFlowAndSecond = 64;

/// Counts in seconds of 1,024 ms.
bool isBeyond(uint8_t perSecond, uint8_t& count, uint8_t& since, uint32_t nowMs) {
  const auto second = static_cast<uint8_t>(nowMs >> 10);
  if (since != second) count = 0;
  since = second;
  if (count >= perSecond) return true;
  count++;
  return false;
}

/// A lender without a port has none to lend: no level but RawSend knows them, and a flow may be looking for another.
bool lends(const Decision& decision) { return decision.owner && decision.owner->way.upstreamPort != 0; }

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
  DirectionTiming& timing = context_.timing.forward;
  const uint64_t beganNs = timing.begin();
  const int received = batch_.receive(context_.listenFd(endpoint), 0);
  if (received <= 0) {
    if (beganNs != 0) timing.putOff();
    return {0, 0};
  }
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
  if (beganNs != 0) {
    const uint64_t batchNs = monotonicNs() - beganNs;
    timing.addService(batchNs, tally.datagrams());
    timing.addResidence(batchNs, tally.datagrams());
  }
  return {messages, tally.datagrams()};
}

ForwardPath::Taken ForwardPath::take(ReceiveRing& ring) {
  Taken taken{std::min(ring.waiting(), batch_.capacity()), 0};
  if (taken.messages == 0) return taken;
  const uint64_t beganNs = context_.timing.forward.begin();
  bool anyTimed = false;
  for (uint32_t i = 0; i < taken.messages; i++) {
    const ReceiveRing::Entry& entry = ring.at(i);
    receivedNs_ = entry.receivedNs;
    anyTimed |= entry.timedFromNs != 0;
    taken.datagrams += entry.message.datagrams();
    routeAll(entry.message, entry.endpoint);
  }
  send();
  if (beganNs != 0 || anyTimed) noteTimes(ring, taken, beganNs);
  ring.release(taken.messages);
  return taken;
}

/// Service is this thread's part, residence begins in the receiving thread. beganNs: 0 where only some of the messages
/// are timed.
void ForwardPath::noteTimes(const ReceiveRing& ring, const Taken& taken, uint64_t beganNs) {
  DirectionTiming& timing = context_.timing.forward;
  const uint64_t nowNs = monotonicNs();
  if (beganNs != 0) timing.addService(nowNs - beganNs, taken.datagrams);
  for (uint32_t i = 0; i < taken.messages; i++) {
    const ReceiveRing::Entry& entry = ring.at(i);
    if (entry.timedFromNs != 0) timing.addResidence(nowNs - entry.timedFromNs, entry.message.datagrams());
  }
}

void ForwardPath::routeAll(const Received& message, uint8_t endpoint) {
  const uint32_t count = message.datagrams();
  for (uint32_t at = 0; at < count; at++) route(message, message.datagram(at), endpoint);
}

Decision ForwardPath::decide(const RouteView& view, const Received& message, std::span<const uint8_t> payload) {
  if (context_.snapshot->mode == Mode::kBaseline) {
    return context_.router.decideStateless(view, message.tuple, payload, context_.nowMs);
  }
  Decision decision = context_.router.decide(view, message.tuple, payload, context_.nowMs);
  if (!decision.askElsewhere) return decision;
  if (decision.rule == Rule::kTuple) {
    FlowHistory& history = context_.flows.historyOf(decision.flow);
    if (isBeyond(kSearchesPerFlowAndSecond, history.searches, history.searchesAt, context_.nowMs)) return decision;
  }
  if (context_.searches.take(kSearchesPerNewFlow * context_.snapshot->newFlowsPerSecond, context_.nowMs)) {
    context_.router.decideElsewhere(view, message.tuple, payload, context_.nowMs, decision);
  } else if (decision.flow == kNoFlow && decision.rule != Rule::kQuicLb) {
    // It may belong to a connection: better lost than at another server.
    decision.overBudget = true;
  }
  return decision;
}

void ForwardPath::route(const Received& message, std::span<const uint8_t> payload, uint8_t endpoint) {
  WorkerCounters& counters = context_.counters;
  const RouteView view = context_.snapshot->routeView();
  Decision decision = decide(view, message, payload);
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
  const uint32_t flow = flowOf(view, decision, message, payload, endpoint);
  if (flow == kNoFlow) return;
  counters.add(routeCounter(decision.rule));
  if (decision.foundElsewhere && decision.rule == Rule::kDcid) counters.add(Counter::cid_found_elsewhere);
  if (context_.snapshot->mode == Mode::kBaseline) {
    // Of what servers answer it uses the lengths of their IDs.
    if (decision.form == HeaderForm::kLong) context_.learner.noteVersion(flow, decision.version);
  } else {
    context_.take(context_.learner.fromClient(view, decision, flow, payload, context_.nowMs), flow);
  }
  Flow& taken = context_.flows.at(flow);
  taken.see(context_.nowMs);
  const bool sampled = taken.is(kFlowSampled);
  if (departures_.size() == Upstream::kMaxDepartures) send();
  inRound_[flow] = true;
  departures_.push_back({payload, receivedNs_, sampled ? realtimeNs() : 0, flow, 0, static_cast<uint8_t>(decision.rule),
                         static_cast<uint8_t>(message.hopLimit - 1), message.trafficClass});
}

/// The flow that the datagram belongs to, a new one where it has none; kNoFlow with the reason counted.
uint32_t ForwardPath::flowOf(const RouteView& view, Decision& decision, const Received& message,
                             std::span<const uint8_t> payload, uint8_t endpoint) {
  if (decision.flow != kNoFlow) {
    if (!context_.flows.at(decision.flow).is(kFlowBorrowed) || followOwner(decision.flow)) return decision.flow;
    // Its port may be another's by now.
    if (inRound_[decision.flow]) send();
    context_.endFlow(decision.flow);
    decision.flow = kNoFlow;
    decision.known = true;
  }
  const uint32_t flow = begin(decision, message, endpoint);
  if (flow == kNoFlow) return kNoFlow;
  context_.learner.begin(view, decision, flow);
  // Those that a keyed hash spreads: by a Connection ID anybody can bring many flows to one backend.
  if (decision.rule == Rule::kFallback && beginsConnection(payload)) {
    context_.flows.at(flow).set(kFlowOpening);
    context_.counters.add(decision.backendSlot, BackendCounter::kInitialFlows);
  }
  countNew(decision, flow);
  return flow;
}

/// A flow for a datagram that has none, if it is let in.
uint32_t ForwardPath::begin(const Decision& decision, const Received& message, uint8_t endpoint) {
  if (context_.snapshot->refusedSources.contain(message.tuple)) {
    context_.counters.add(Counter::route_dropped_source);
    return kNoFlow;
  }
  const bool known = decision.known && !movesTooOften(decision);
  const Admission admission =
      decision.overBudget ? Admission::kOverBudget : admissionOf(decision.rule, known, lends(decision), room());
  FlowTable::NewFlow wanted{message.tuple, decision.backendSlot, 0, endpoint, decision.readdressed};
  switch (admission) {
    case Admission::kBorrow:
      makeRoom();
      return borrowFlow(decision, wanted);
    case Admission::kOpen:
    case Admission::kOpenKnown:
      (admission == Admission::kOpen ? context_.strangers : context_.movers).spend();
      makeRoom();
      if (decision.rule == Rule::kDcid) wanted.cidLengths = uint32_t{1} << std::min<size_t>(decision.cid.size(), 31);
      return openFlow(wanted, static_cast<uint8_t>(message.hopLimit - 1));
    default:
      context_.counters.add(refusalCounter(admission));
      return kNoFlow;
  }
}

/// Counts the moves of a connection by the flow that its Connection ID came from.
bool ForwardPath::movesTooOften(const Decision& decision) {
  if (!decision.readdressed || decision.cidFlow == kNoFlow) return false;
  FlowHistory& history = context_.flows.historyOf(decision.cidFlow);
  return isBeyond(kMovesPerSecond, history.moves, history.movesAt, context_.nowMs);
}

Room ForwardPath::room() {
  const uint32_t perSecond = context_.snapshot->newFlowsPerSecond;
  return {.strangers = context_.strangers.has(perSecond, context_.nowMs),
          .movers = context_.movers.has(perSecond, context_.nowMs),
          .tableFull = context_.flows.full(),
          .upstreamAtBound = context_.upstream.atBound(context_),
          .evictable = context_.flows.oldestEvictable() != kNoFlow,
          .canBorrow = context_.upstream.canBorrow()};
}

/// The flow that has to go first. Those that another worker saw confirmed are on the list no longer; datagrams of the
/// present round that wait for it leave before.
uint32_t ForwardPath::oldestEvictable() {
  for (;;) {
    const uint32_t oldest = context_.flows.oldestEvictable();
    if (oldest == kNoFlow) return kNoFlow;
    if (!context_.flows.hasNote(oldest, kNoteConfirmed)) {
      if (inRound_[oldest]) send();
      return oldest;
    }
    context_.flows.confirm(oldest, context_.nowMs);
  }
}

/// A flow that nobody has confirmed goes before a new one is refused.
void ForwardPath::makeRoom() {
  if (!context_.upstream.atBound(context_) && !context_.flows.full()) return;
  const uint32_t oldest = oldestEvictable();
  if (oldest == kNoFlow) return;
  context_.endFlow(oldest);
  context_.counters.add(Counter::flow_evicted);
}

/// The same where only flows to one backend stand in the way.
bool ForwardPath::makeRoomToward(uint16_t backendSlot) {
  const uint32_t flow = context_.upstream.victimToward(context_, backendSlot, inRound_);
  if (flow == kNoFlow) return false;
  context_.endFlow(flow);
  context_.counters.add(Counter::flow_evicted);
  return true;
}

/// Whether the flow whose port this one sends from is still there; it stays as long as this one sends.
bool ForwardPath::followOwner(uint32_t index) {
  Flow& flow = context_.flows.at(index);
  FlowHistory& history = context_.flows.historyOf(index);
  const std::vector<const FlowTable*>& tables = context_.snapshot->tables;
  if (flow.owner >= tables.size()) return false;
  const FlowReference reference{history.ownerFlow, flow.backendSlot, flow.backendEpoch, history.ownerEpoch};
  const auto way = tables[flow.owner]->wayOf(reference);
  if (!way || way->upstreamPort == 0) return false;
  flow.upstreamPort = way->upstreamPort;
  flow.upstreamSource = way->upstreamSource;
  tables[flow.owner]->keepAlive(history.ownerFlow, context_.nowMs);
  // Its worker sees no datagram of this client any more.
  if (history.movedRounds <= kMovedPathRounds) history.movedRounds++;
  if (history.movedRounds == kMovedPathRounds) tables[flow.owner]->note(history.ownerFlow, kNoteSettled);
  return true;
}

uint32_t ForwardPath::borrowFlow(const Decision& decision, FlowTable::NewFlow wanted) {
  if (!decision.owner) return kNoFlow;
  const Owner& owner = *decision.owner;
  const FlowWay& way = owner.way;
  wanted.backendEpoch = owner.reference.backendEpoch;
  wanted.cidLengths = way.serverCidLength == 0 ? 0 : uint32_t{1} << way.serverCidLength;
  const uint32_t index = create(wanted);
  if (index == kNoFlow) return kNoFlow;
  Flow& flow = context_.flows.at(index);
  flow.set(kFlowBorrowed);
  if (way.confirmed) flow.set(kFlowAnswered);
  flow.owner = owner.worker;
  flow.upstreamPort = way.upstreamPort;
  flow.upstreamSource = way.upstreamSource;
  flow.serverCidLength = way.serverCidLength;
  FlowHistory& history = context_.flows.historyOf(index);
  history.ownerFlow = owner.reference.flow;
  history.ownerEpoch = owner.reference.flowEpoch;
  return index;
}

/// A place for a flow. Where its 4-tuple has no room among its siblings, one of these that nobody confirmed gives way.
uint32_t ForwardPath::create(const FlowTable::NewFlow& wanted) {
  uint32_t flow = context_.flows.create(wanted, context_.nowMs);
  const uint32_t sibling = flow == kNoFlow ? context_.flows.evictableSibling(wanted.tuple) : kNoFlow;
  if (sibling != kNoFlow) {
    if (inRound_[sibling]) send();
    context_.endFlow(sibling);
    context_.counters.add(Counter::flow_evicted);
    flow = context_.flows.create(wanted, context_.nowMs);
  }
  if (flow == kNoFlow) context_.counters.add(Counter::route_dropped_table_full);
  return flow;
}

uint32_t ForwardPath::openFlow(const FlowTable::NewFlow& asked, uint8_t hopLimit) {
  WorkerCounters& counters = context_.counters;
  FlowTable::NewFlow wanted = asked;
  wanted.backendEpoch = context_.snapshot->backends[wanted.backendSlot].epoch;
  const uint32_t flow = create(wanted);
  if (flow == kNoFlow) return kNoFlow;
  Upstream::Outcome outcome = context_.upstream.open(context_, flow, hopLimit);
  // Another worker, or program, may be the first to take what the end of a flow set free.
  for (int rooms = 0; outcome == Upstream::Outcome::kAtBound && rooms < kMaxRoomsMade; rooms++) {
    if (!makeRoomToward(wanted.backendSlot)) break;
    outcome = context_.upstream.open(context_, flow, hopLimit);
  }
  if (outcome != Upstream::Outcome::kOpened) {
    context_.flows.remove(flow);
    if (outcome == Upstream::Outcome::kFailed) counters.add(Counter::flow_socket_error);
    counters.add(Counter::route_dropped_no_socket);
    return kNoFlow;
  }
  context_.flows.publish(flow);
  return flow;
}

void ForwardPath::countNew(const Decision& decision, uint32_t flow) {
  WorkerCounters& counters = context_.counters;
  counters.add(Counter::flow_created);
  if (decision.owner) {
    counters.add(Counter::flow_found_elsewhere);
    if (decision.provesOwner) {
      context_.snapshot->tables[decision.owner->worker]->note(decision.owner->reference.flow, kNoteConfirmed);
    }
  }
  if (context_.flows.at(flow).is(kFlowMoved)) counters.add(Counter::flow_readdressed);
  counters.add(decision.backendSlot, BackendCounter::kFlowsCreated);
  counters.add(decision.backendSlot, BackendCounter::kFlows);
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
