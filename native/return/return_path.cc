#include "return/return_path.h"

#include <bit>

#include "context/send_drop.h"
#include "io/clock.h"

namespace quicproxy {

namespace {

/// One flow may not keep a worker from all others.
constexpr int kMaxBatchesPerTurn = 4;
/// Datagrams that are collected before they are sent: what a few trains hold.
constexpr uint32_t kDatagramsPerRound = 1024;

}  // namespace

ReturnPath::ReturnPath(WorkerContext& context, uint32_t batch)
    : context_(context),
      batch_(batch),
      flows_(batch),
      out_(kDatagramsPerRound),
      groups_(context.flows.capacity(), kDatagramsPerRound) {
  clients_.reserve(kDatagramsPerRound);
  datagrams_.reserve(kDatagramsPerRound);
  arrivals_.reserve(batch);
}

bool ReturnPath::receive(const EventTag& tag) {
  for (int turn = 0; turn < kMaxBatchesPerTurn; turn++) {
    const uint32_t room = batch_.capacity() - used_;
    const uint32_t received = receiveTimed(tag);
    if (used_ == batch_.capacity()) flush();
    if (received < room) return true;
  }
  return false;
}

uint32_t ReturnPath::receiveTimed(const EventTag& tag) {
  DirectionTiming& timing = context_.timing.backward;
  const uint64_t firstNs = used_ == 0 ? timing.begin() : 0;
  if (used_ == 0) timed_ = firstNs != 0;
  if (!timed_) return receiveOnce(tag);
  const uint64_t beganNs = firstNs != 0 ? firstNs : monotonicNs();
  const uint32_t first = used_;
  const uint32_t received = receiveOnce(tag);
  if (received == 0) {
    if (first == 0) timing.putOff();
    return 0;
  }
  uint32_t datagrams = 0;
  for (uint32_t i = first; i < used_; i++) datagrams += batch_.received(i, 0).datagrams();
  collectedNs_ += monotonicNs() - beganNs;
  arrivals_.push_back({beganNs, datagrams});
  return received;
}

uint32_t ReturnPath::receiveOnce(const EventTag& tag) {
  const uint32_t received = context_.upstream.receive(context_, tag, batch_, used_, flows_);
  if (received == 0) return 0;
  const uint64_t receivedNs = context_.snapshot->sampleOneIn == 0 ? 0 : realtimeNs();
  for (uint32_t i = used_; i < used_ + received; i++) take(flows_[i], batch_.received(i, 0), receivedNs);
  used_ += received;
  return received;
}

void ReturnPath::take(uint32_t index, const Received& message, uint64_t receivedNs) {
  WorkerCounters& counters = context_.counters;
  const uint32_t count = message.datagrams();
  counters.add(Counter::return_received, count);
  counters.add(Counter::return_received_bytes, message.payload.size());
  if (count > 1) counters.add(Counter::return_received_trains);
  if (index == kNoFlow) {
    counters.add(Counter::return_dropped_no_flow, count);
    return;
  }
  Flow& flow = context_.flows.at(index);
  const RouteView view = context_.snapshot->routeView();
  flow.see(context_.nowMs);
  if (!flow.is(kFlowAnswered)) countAnswered(flow);
  for (uint32_t i = 0; i < count; i++) {
    const std::span<const uint8_t> payload = message.datagram(i);
    // Room for a challenge and three times what came from an address may go there until somebody goes on from there
    // (RFC 9000 sections 8 and 9.3).
    if (flow.is(kFlowMoved) && context_.flows.hasNote(index, kNoteSettled)) path_proof::settle(flow);
    const bool allowed = path_proof::mayReturn(flow, context_.flows.historyOf(index), payload.size());
    context_.take(context_.learner.fromBackend(view, index, payload, context_.nowMs), index);
    const Datagram datagram{payload, flow.is(kFlowSampled) ? receivedNs : 0, 0, message.trafficClass};
    if (allowed) {
      flow.set(kFlowReturnedTo);
      enqueue(index, datagram);
      continue;
    }
    counters.add(Counter::return_dropped_unconfirmed);
    counters.add(flow.backendSlot, BackendCounter::kDropped);
    note(index, datagram, SampleOutcome::kDropped);
  }
}

/// Once for each flow.
void ReturnPath::countAnswered(const Flow& flow) {
  context_.counters.add(flow.backendSlot, BackendCounter::kFlowsAnswered);
  if (!flow.is(kFlowOpening)) return;
  context_.counters.add(flow.backendSlot, BackendCounter::kInitialFlowsAnswered);
}

void ReturnPath::enqueue(uint32_t index, const Datagram& datagram) {
  if (datagrams_.size() == kDatagramsPerRound) sendRound();
  const Flow& flow = context_.flows.at(index);
  const uint16_t group = groups_.add(index, flow.epoch, static_cast<uint16_t>(datagrams_.size()));
  if (group == clients_.size()) clients_.push_back({flow.tuple, flow.backendSlot, flow.endpoint});
  datagrams_.push_back(datagram);
  datagrams_.back().group = group;
}

void ReturnPath::flush() {
  if (arrivals_.empty()) {
    sendRound();
  } else {
    flushTimed();
  }
  used_ = 0;
}

/// What the worker did between two receive calls, for other events, is part of the residence and not of the service.
void ReturnPath::flushTimed() {
  const uint64_t beganNs = monotonicNs();
  sendRound();
  const uint64_t sentNs = monotonicNs();
  uint64_t datagrams = 0;
  for (const Arrival& arrival : arrivals_) {
    context_.timing.backward.addResidence(sentNs - arrival.beganNs, arrival.datagrams);
    datagrams += arrival.datagrams;
  }
  context_.timing.backward.addService(collectedNs_ + sentNs - beganNs, datagrams);
  arrivals_.clear();
  collectedNs_ = 0;
}

void ReturnPath::sendRound() {
  static_assert(kMaxEndpoints <= 64);
  uint64_t endpoints = 0;
  for (const Client& client : clients_) endpoints |= uint64_t{1} << client.endpoint;
  for (; endpoints != 0; endpoints &= endpoints - 1) send(static_cast<uint8_t>(std::countr_zero(endpoints)));
  groups_.clear();
  clients_.clear();
  datagrams_.clear();
}

void ReturnPath::send(uint8_t endpoint) {
  TrainPause& pause = trainPauses_[endpoint];
  const bool trains = !pause.holds(context_.nowMs);
  out_.clear();
  const std::span<const FlowGroups::Group> groups = groups_.all();
  for (uint32_t i = 0; i < groups.size(); i++) {
    if (clients_[i].endpoint != endpoint) continue;
    groups_.gather(groups[i], datagrams_, {.client = &clients_[i].tuple, .flow = i}, trains, out_);
  }
  const int fd = context_.listenFd(endpoint);
  out_.sendAll(fd, EarlierErrors::kPossible, [this](uint32_t first, uint32_t count, int error) {
    if (error == 0) {
      countSent(first, count);
    } else {
      countDropped(first, count, error);
    }
  });
  const SendBatch::Tally& tally = out_.tally();
  context_.counters.add(Counter::return_calls, tally.calls);
  context_.counters.add(Counter::return_trains, tally.trains);
  context_.counters.add(Counter::return_trains_refused, tally.trainsRefused);
  pause.heed(tally, context_.nowMs);
}

void ReturnPath::countSent(uint32_t first, uint32_t count) {
  uint64_t bytes = 0;
  for (uint32_t i = first; i < first + count; i++) {
    const Datagram& datagram = datagrams_[groups_.gathered(i)];
    const uint16_t slot = clients_[datagram.group].backendSlot;
    bytes += datagram.payload.size();
    note(groups_.all()[datagram.group].flow, datagram, SampleOutcome::kSent);
    context_.counters.add(slot, BackendCounter::kReturned);
    context_.counters.add(slot, BackendCounter::kReturnedBytes, datagram.payload.size());
  }
  context_.counters.add(Counter::return_sent, count);
  context_.counters.add(Counter::return_bytes, bytes);
}

void ReturnPath::countDropped(uint32_t first, uint32_t count, int error) {
  for (uint32_t i = first; i < first + count; i++) {
    const Datagram& datagram = datagrams_[groups_.gathered(i)];
    note(groups_.all()[datagram.group].flow, datagram, SampleOutcome::kDropped);
    context_.counters.add(clients_[datagram.group].backendSlot, BackendCounter::kDropped);
  }
  context_.counters.add(kReturnDrops.of(error), count);
}

void ReturnPath::note(uint32_t flow, const Datagram& datagram, SampleOutcome outcome) {
  if (datagram.receivedNs == 0) return;
  Sample sample{};
  sample.receivedNs = datagram.receivedNs;
  sample.sentNs = realtimeNs();
  sample.bytes = static_cast<uint32_t>(datagram.payload.size());
  sample.direction = SampleDirection::kReturn;
  sample.outcome = outcome;
  context_.note(flow, sample);
}

}  // namespace quicproxy
