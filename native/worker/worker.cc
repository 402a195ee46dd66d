#include "worker/worker.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "io/clock.h"
#include "io/error_queue.h"
#include "io/event_tag.h"
#include "io/socket_options.h"

namespace quicproxy {

namespace {

constexpr int kEventsPerWait = 512;
constexpr int kWaitMs = 100;
/// One call of the kernel per outcome.
constexpr uint32_t kSteeringReadMs = 200;
/// A call of the kernel for each of a few sockets.
constexpr uint32_t kTendMs = 200;
/// Datagrams of one listening socket before the other sockets get their turn.
constexpr uint32_t kDatagramsPerTurn = 256;
/// Every place of the tables is looked at eight times per idle timeout, within these bounds, in steps that follow the
/// clock: a flow ends at most an eighth of the idle timeout late, 8 s at most, and no step is long enough to be felt by
/// a datagram. A step that was not enough is followed by another one soon.
constexpr uint32_t kMinSweepPeriodMs = 250;
constexpr uint32_t kMaxSweepPeriodMs = 8000;
constexpr uint32_t kMaxSweepStep = 4096;
constexpr int kSweepWaitMs = 1;

}  // namespace

std::unique_ptr<Worker> Worker::create(const Limits& limits, WorkerShared& shared, FlowTable& flows,
                                       std::unique_ptr<Upstream> upstream, WorkerCounters counters) {
  std::unique_ptr<Worker> worker(new Worker(limits, shared, flows, std::move(upstream), counters));
  if (!worker->epoll_ || !worker->wakeUp_) return nullptr;
  announceReads(worker->epoll_.get(), worker->wakeUp_.get(), {EventTag::Kind::kWake, 0, 0});
  if (!worker->upstream_->announceTo(worker->epoll_.get())) return nullptr;
  if (!worker->forward_.ready() || !worker->return_.ready()) return nullptr;
  // Before the thread runs: who asks at once shall not read 0.
  counters.set(Gauge::kUpstreamReceiveBuffer, worker->upstream_->receiveBufferBytes());
  if (!limits.decoupled) return worker;
  worker->receiver_ =
      Receiver::create({limits.index, limits.batch, limits.clock}, shared.current, counters, worker->wakeUp_.get());
  if (!worker->receiver_) return nullptr;
  return worker;
}

Worker::Worker(const Limits& limits, WorkerShared& shared, FlowTable& flows, std::unique_ptr<Upstream> upstream,
               WorkerCounters counters)
    : limits_(limits),
      shared_(shared),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wakeUp_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      upstream_(std::move(upstream)),
      context_{limits.index,
               nullptr,
               flows,
               Router(flows, shared.cidLengths),
               Learner(flows, shared.cidLengths),
               *upstream_,
               counters,
               {counters, limits.clock, limits.index},
               {},
               {},
               {},
               {},
               monotonicMs()},
      forward_(context_, limits.batch),
      return_(context_, limits.batch),
      busy_(counters.busy()) {}

Worker::~Worker() {
  stop();
  thread_.join();
}

std::optional<Failure> Worker::start() {
  if (receiver_) {
    if (auto failure = receiver_->start()) return failure;
  }
  char name[16];
  static_cast<void>(std::snprintf(name, sizeof name, "qp-worker-%u", limits_.index));
  return thread_.start(name, {[](void* self) { static_cast<Worker*>(self)->run(); }, this});
}

void Worker::wake() const {
  if (receiver_) receiver_->wake();
  eventfd_write(wakeUp_.get(), 1);
}

void Worker::stop() {
  stopping_.store(true, std::memory_order_release);
  wake();
}

const Snapshot* Worker::adopted() const {
  const Snapshot* adopted = adopted_.load(std::memory_order_acquire);
  return !receiver_ || receiver_->listensTo() == adopted ? adopted : nullptr;
}

void Worker::run() {
  std::array<epoll_event, kEventsPerWait> events;
  while (!stopping_.load(std::memory_order_acquire)) {
    const Snapshot* next = offered();
    if (next != context_.snapshot) adopt(next);
    const int count = wait(events);
    for (int i = 0; i < count; i++) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      handle(EventTag::unpack(event.data.u64), (event.events & EPOLLERR) != 0);
    }
    takeFromRing();
    return_.flush();
    sweep();
  }
  if (receiver_) {
    receiver_->stop();
    emptyRing();
  }
  context_.upstream.tend(context_);
  busy_.rest(limits_.clock.nowNs());
}

/// Work goes on where the thread will not wait: of a queue that is never empty nothing is time to spare.
int Worker::wait(std::span<epoll_event> events) {
  const int ms = waitMs();
  if (ms != 0 && busy_.working()) busy_.rest(limits_.clock.nowNs());
  const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), ms);
  if (receiver_) receiver_->ring().awake();
  if (limits_.clock.coarse) {
    if (!busy_.working()) busy_.work(coarseMonotonicNs());
    context_.nowMs = monotonicMs();
  } else {
    const uint64_t nowNs = monotonicNs();
    busy_.work(nowNs);
    context_.nowMs = static_cast<uint32_t>(nowNs / 1000000);
  }
  return count;
}

const Snapshot* Worker::offered() const {
  return receiver_ ? receiver_->left() : shared_.current.load(std::memory_order_acquire);
}

int Worker::waitMs() {
  if (std::exchange(more_, false)) return 0;
  if (receiver_ && !receiver_->ring().mayRest()) return 0;
  return sweepDue_ > 0 ? kSweepWaitMs : kWaitMs;
}

void Worker::takeFromRing() {
  if (!receiver_) return;
  for (uint32_t datagrams = 0; datagrams < kDatagramsPerTurn;) {
    const ForwardPath::Taken taken = forward_.take(receiver_->ring());
    if (taken.messages == 0) return;
    datagrams += taken.datagrams;
  }
}

/// Takes what waits now; under load there would always be more.
void Worker::emptyRing() {
  if (!receiver_) return;
  for (uint32_t left = receiver_->ring().waiting(); left > 0;) {
    left -= std::min(left, forward_.take(receiver_->ring()).messages);
  }
}

void Worker::handle(const EventTag& tag, bool failed) {
  switch (tag.kind) {
    case EventTag::Kind::kWake: {
      eventfd_t ignored = 0;
      eventfd_read(wakeUp_.get(), &ignored);
      return;
    }
    case EventTag::Kind::kListen:
      if (failed) {
        const int fd = context_.listenFd(static_cast<uint8_t>(tag.index));
        context_.counters.add(Counter::receive_icmp_errors, drainErrorQueue(fd));
      }
      receiveFromClients(static_cast<uint8_t>(tag.index));
      return;
    case EventTag::Kind::kUpstream:
      if (!return_.receive(tag)) more_ = true;
      return;
  }
}

void Worker::receiveFromClients(uint8_t endpoint) {
  for (uint32_t datagrams = 0; datagrams < kDatagramsPerTurn;) {
    const ForwardPath::Taken taken = forward_.receive(endpoint);
    datagrams += taken.datagrams;
    if (taken.messages < limits_.batch) return;
  }
  more_ = true;
}

void Worker::adopt(const Snapshot* next) {
  const Snapshot* previous = context_.snapshot;
  if (previous != nullptr) {
    // What waits came to endpoints of the previous snapshot; the receiver has left those that are no more.
    emptyRing();
    leaveEndpoints(*previous, *next);
  }
  return_.flush();
  resetReusedBackends(previous, *next);
  context_.snapshot = next;
  context_.upstream.setBuffers(next->buffers);
  for (size_t slot = 0; slot < kMaxEndpoints; slot++) {
    const int before = previous == nullptr ? -1 : previous->listenFd(slot, limits_.index);
    const int after = next->listenFd(slot, limits_.index);
    if (after != -1 && after != before) listen(static_cast<uint8_t>(slot), after);
  }
  context_.counters.set(Gauge::kUpstreamReceiveBuffer, context_.upstream.receiveBufferBytes());
  publishGauges();
  if (receiver_) receiver_->allow(next);
  adopted_.store(next, std::memory_order_release);
}

/// Drains the listening sockets that are no more and ends the flows of addresses that are no more: nobody could be
/// answered from there.
void Worker::leaveEndpoints(const Snapshot& previous, const Snapshot& next) {
  std::array<bool, kMaxEndpoints> gone{};
  for (size_t slot = 0; slot < kMaxEndpoints; slot++) {
    const int before = previous.listenFd(slot, limits_.index);
    if (before != -1 && before != next.listenFd(slot, limits_.index)) unlisten(static_cast<uint8_t>(slot), before);
    gone[slot] = previous.endpoints[slot] != nullptr && next.endpoints[slot] == nullptr;
  }
  if (std::none_of(gone.begin(), gone.end(), [](bool is) { return is; })) return;
  return_.flush();
  const auto any = [](const Flow&) { return 0U; };
  context_.flows.sweepFlows(context_.flows.capacity(), context_.nowMs, any, [this, &gone](uint32_t flow) {
    if (gone[context_.flows.at(flow).endpoint]) context_.endFlow(flow);
  });
}

void Worker::resetReusedBackends(const Snapshot* previous, const Snapshot& next) {
  if (previous == nullptr) return;
  for (size_t slot = 0; slot < previous->backends.size(); slot++) {
    if (previous->backends[slot].epoch == next.backends[slot].epoch) continue;
    context_.counters.reset(static_cast<uint16_t>(slot));
  }
}

void Worker::listen(uint8_t endpoint, int fd) {
  if (receiver_) return;
  announceReads(epoll_.get(), fd, {EventTag::Kind::kListen, 0, endpoint});
}

/// What the socket has received is still forwarded, all of it; what comes now is dropped, and counted by the kernel
/// with the socket's drops, for there would never be an end.
void Worker::unlisten(uint8_t endpoint, int fd) {
  if (receiver_) return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  takeNothing(fd);
  drainErrorQueue(fd);
  while (forward_.receive(endpoint).messages != 0) {
  }
}

void Worker::sweep() {
  const uint32_t elapsedMs = context_.nowMs - sweptAtMs_;
  if (elapsedMs == 0) return;
  sweptAtMs_ = context_.nowMs;
  const uint32_t idleMs = context_.snapshot->idleTimeoutMs;
  const uint32_t periodMs = std::clamp(idleMs / 8, kMinSweepPeriodMs, kMaxSweepPeriodMs);
  const uint64_t capacity = context_.flows.capacity();
  sweepDue_ = std::min(capacity, sweepDue_ + capacity * std::min(elapsedMs, periodMs) / periodMs + 1);
  const auto step = static_cast<uint32_t>(std::min<uint64_t>(sweepDue_, kMaxSweepStep));
  sweepDue_ -= step;
  const auto idleOf = [idleMs](const Flow& flow) { return path_proof::idleMs(flow, idleMs); };
  context_.flows.sweepFlows(step, context_.nowMs, idleOf, [this, idleMs](uint32_t flow) {
    // Another worker has seen that its client receives.
    if (context_.flows.hasNote(flow, kNoteConfirmed)) context_.flows.confirm(flow, context_.nowMs);
    const Flow& idle = context_.flows.at(flow);
    const auto silentMs = static_cast<int32_t>(context_.nowMs - idle.seenAtMs());
    if (silentMs < static_cast<int32_t>(path_proof::idleMs(idle, idleMs))) return;
    context_.endFlow(flow);
    context_.counters.add(Counter::flow_expired);
  });
  context_.flows.sweepCids(step + step / 2, context_.nowMs, idleMs);
  publishGauges();
  if (limits_.index == 0) tendLengths();
  if (context_.nowMs - tendedAtMs_ >= kTendMs) {
    tendedAtMs_ = context_.nowMs;
    context_.upstream.tend(context_);
  }
  if (limits_.index == 0) publishSteering();
}

/// Lengths of Connection IDs that no backend shows any more are forgotten, by one of the workers for all.
void Worker::tendLengths() {
  shared_.cidLengths.forgetUnseen(context_.nowMs);
  if (context_.steering() != nullptr) context_.steering()->setLengths(shared_.cidLengths.mask());
}

/// What the steering program counted per CPU, for all workers: one of them moves it into its own cells.
void Worker::publishSteering() {
  if (context_.steering() == nullptr || context_.nowMs - steeringReadAtMs_ < kSteeringReadMs) return;
  steeringReadAtMs_ = context_.nowMs;
  constexpr std::array<Counter, QP_STEER_OUTCOMES> kCounters{Counter::steer_path, Counter::steer_connection_id,
                                                             Counter::steer_unknown, Counter::steer_unreadable,
                                                             Counter::steer_no_socket};
  const auto outcomes = context_.steering()->outcomes();
  for (size_t i = 0; i < outcomes.size(); i++) {
    context_.counters.add(kCounters[i], outcomes[i] - steeringCounted_[i]);
    steeringCounted_[i] = outcomes[i];
  }
}

void Worker::publishGauges() {
  WorkerCounters& counters = context_.counters;
  counters.set(Gauge::kGeneration, context_.snapshot->generation);
  counters.set(Gauge::kFlows, context_.flows.liveCount());
  counters.set(Gauge::kUpstreamSockets, context_.upstream.socketCount());
  counters.set(Gauge::kCids, context_.flows.byDcid().occupied());
}

}  // namespace quicproxy
