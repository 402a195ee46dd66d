#include "return/return_path.h"

#include <cerrno>

#include "io/clock.h"

namespace quicproxy {

namespace {

/// One flow may not keep a worker from all others.
constexpr int kMaxBatchesPerTurn = 4;

Counter droppedCounter(int error) {
  switch (error) {
    case EMSGSIZE:
      return Counter::return_dropped_too_big;
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return Counter::return_dropped_buffer_full;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
      return Counter::return_dropped_unreachable;
    default:
      return Counter::return_dropped_error;
  }
}

}  // namespace

ReturnPath::ReturnPath(WorkerContext& context, uint32_t batch)
    : context_(context),
      batch_(batch),
      flows_(batch),
      receivedNs_(batch),
      endpoints_(batch),
      refused_(batch),
      backendSlots_(batch) {}

void ReturnPath::receive(const EventTag& tag) {
  for (int turn = 0; turn < kMaxBatchesPerTurn; turn++) {
    const uint32_t room = batch_.capacity() - used_;
    const uint32_t received = receiveOnce(tag);
    if (used_ == batch_.capacity()) flush();
    if (received < room) return;
  }
}

uint32_t ReturnPath::receiveOnce(const EventTag& tag) {
  const uint32_t received = context_.upstream.receive(context_, tag, batch_, used_, flows_);
  if (received == 0) return 0;
  const uint64_t receivedNs = context_.snapshot->sampleOneIn == 0 ? 0 : realtimeNs();
  context_.counters.add(Counter::return_received, received);
  for (uint32_t i = 0; i < received; i++) take(used_ + i, receivedNs);
  used_ += received;
  return received;
}

void ReturnPath::take(uint32_t index, uint64_t receivedNs) {
  WorkerCounters& counters = context_.counters;
  const std::span<const uint8_t> datagram = batch_.datagram(index);
  counters.add(Counter::return_received_bytes, datagram.size());
  receivedNs_[index] = 0;
  refused_[index] = 1;
  if (flows_[index] == kNoFlow) {
    counters.add(Counter::return_dropped_no_flow);
    return;
  }
  Flow& flow = context_.flows.at(flows_[index]);
  if ((flow.flags & kFlowSampled) != 0) receivedNs_[index] = receivedNs;
  flow.lastSeenMs = context_.nowMs;
  endpoints_[index] = flow.endpoint;
  backendSlots_[index] = flow.backendSlot;
  const bool allowed = isAllowed(flow, datagram.size());
  const RouteView view = context_.snapshot->routeView();
  const Recorded recorded = context_.router.learn(view, flows_[index], datagram, context_.nowMs);
  if (recorded.cids != 0) counters.add(Counter::cid_learned, recorded.cids);
  if (recorded.tableFull != 0) counters.add(Counter::cid_table_full, recorded.tableFull);
  if (allowed) {
    batch_.addressToClient(index, flow.tuple);
    refused_[index] = 0;
    return;
  }
  counters.add(Counter::return_dropped_unconfirmed);
  counters.add(flow.backendSlot, BackendCounter::kDropped);
  note(index, SampleOutcome::kDropped);
}

/// Room for a challenge and three times what came from an address may go there until it has shown to receive (RFC 9000
/// sections 8 and 9.3).
bool ReturnPath::isAllowed(Flow& flow, size_t datagramBytes) {
  if ((flow.flags & kFlowUnconfirmed) == 0) return true;
  if (datagramBytes > flow.allowance) return false;
  flow.allowance -= static_cast<uint32_t>(datagramBytes);
  flow.flags |= kFlowReturnedTo;
  return true;
}

void ReturnPath::flush() {
  uint32_t first = 0;
  while (first < used_) {
    if (refused_[first] != 0) {
      first++;
      continue;
    }
    uint32_t end = first + 1;
    while (end < used_ && refused_[end] == 0 && endpoints_[end] == endpoints_[first]) end++;
    context_.counters.add(Counter::return_calls);
    const int sent = batch_.send(context_.listenFd(endpoints_[first]), first, end - first);
    if (sent > 0) {
      countSent(first, static_cast<uint32_t>(sent));
      first += static_cast<uint32_t>(sent);
    } else {
      countDropped(first, errno);
      first++;
    }
  }
  used_ = 0;
}

void ReturnPath::countSent(uint32_t first, uint32_t count) {
  uint64_t bytes = 0;
  for (uint32_t i = first; i < first + count; i++) {
    const uint64_t size = batch_.datagram(i).size();
    bytes += size;
    note(i, SampleOutcome::kSent);
    context_.counters.add(backendSlots_[i], BackendCounter::kReturned);
    context_.counters.add(backendSlots_[i], BackendCounter::kReturnedBytes, size);
  }
  context_.counters.add(Counter::return_sent, count);
  context_.counters.add(Counter::return_bytes, bytes);
}

void ReturnPath::countDropped(uint32_t index, int error) {
  context_.counters.add(droppedCounter(error));
  context_.counters.add(backendSlots_[index], BackendCounter::kDropped);
  note(index, SampleOutcome::kDropped);
}

void ReturnPath::note(uint32_t index, SampleOutcome outcome) {
  if (receivedNs_[index] == 0) return;
  Sample sample{};
  sample.receivedNs = receivedNs_[index];
  sample.sentNs = realtimeNs();
  sample.bytes = static_cast<uint32_t>(batch_.datagram(index).size());
  sample.direction = SampleDirection::kReturn;
  sample.outcome = outcome;
  context_.note(flows_[index], sample);
}

}  // namespace quicproxy
