#include "receive/receiver.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <utility>

#include "io/clock.h"
#include "io/error_queue.h"
#include "io/event_tag.h"
#include "io/socket_options.h"
#include "receive/receive_tally.h"

namespace quicproxy {

namespace {

constexpr int kEventsPerWait = 64;
constexpr int kWaitMs = 100;
/// Of one listening socket before the other sockets get their turn.
constexpr uint32_t kDatagramsPerTurn = 256;
constexpr uint32_t kMaxDroppedAtOnce = 64;

}  // namespace

std::unique_ptr<Receiver> Receiver::create(const Limits& limits, const std::atomic<const Snapshot*>& current,
                                           WorkerCounters counters, int workerWakeUp) {
  std::unique_ptr<Receiver> receiver(new Receiver(limits, current, counters, workerWakeUp));
  const bool ready = receiver->epoll_ && receiver->wakeUp_ && receiver->ring_.ready() && receiver->dropped_.ready();
  if (!ready) return nullptr;
  announceReads(receiver->epoll_.get(), receiver->wakeUp_.get(), {EventTag::Kind::kWake, 0, 0});
  return receiver;
}

Receiver::Receiver(const Limits& limits, const std::atomic<const Snapshot*>& current, WorkerCounters counters,
                   int workerWakeUp)
    : limits_(limits),
      current_(current),
      counters_(counters),
      workerWakeUp_(workerWakeUp),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wakeUp_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      ring_(limits.ringMessages),
      dropped_(std::min(limits.batch, kMaxDroppedAtOnce)),
      busy_(counters.receiverBusy()),
      timed_(limits.clock.oneIn, limits.worker) {}

/// Nothing is listened to, so nothing is to be left: the worker has a snapshot to begin with.
std::optional<Failure> Receiver::start() {
  left_.store(current_.load(std::memory_order_acquire), std::memory_order_release);
  char name[16];
  static_cast<void>(std::snprintf(name, sizeof name, "qp-receive-%u", limits_.worker));
  return thread_.start(name, {[](void* self) { static_cast<Receiver*>(self)->run(); }, this});
}

void Receiver::wake() const { eventfd_write(wakeUp_.get(), 1); }

void Receiver::stop() {
  stopping_.store(true, std::memory_order_release);
  wake();
  thread_.join();
}

void Receiver::allow(const Snapshot* adopted) {
  adopted_.store(adopted, std::memory_order_release);
  wake();
}

void Receiver::run() {
  std::array<epoll_event, kEventsPerWait> events;
  while (!stopping_.load(std::memory_order_acquire)) {
    follow();
    const int count = wait(events);
    for (int i = 0; i < count; i++) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      const EventTag tag = EventTag::unpack(event.data.u64);
      if (tag.kind == EventTag::Kind::kListen) {
        if ((event.events & EPOLLERR) != 0) {
          counters_.add(Counter::receive_icmp_errors, drainErrorQueue(listening_[tag.index].fd));
        }
        empty(static_cast<uint8_t>(tag.index), kDatagramsPerTurn);
      } else {
        eventfd_t ignored = 0;
        eventfd_read(wakeUp_.get(), &ignored);
      }
    }
  }
  busy_.rest(limits_.clock.nowNs());
}

/// As Worker::wait: work goes on where the thread will not wait.
int Receiver::wait(std::span<epoll_event> events) {
  const int ms = std::exchange(more_, false) ? 0 : kWaitMs;
  if (ms != 0 && busy_.working()) busy_.rest(limits_.clock.nowNs());
  const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), ms);
  if (!busy_.working()) busy_.work(limits_.clock.nowNs());
  return count;
}

void Receiver::follow() {
  const Snapshot* next = current_.load(std::memory_order_acquire);
  if (next != left_.load(std::memory_order_relaxed)) {
    leave(*next);
    listensTo_.store(nullptr, std::memory_order_relaxed);
    left_.store(next, std::memory_order_release);
    eventfd_write(workerWakeUp_, 1);
  }
  if (listensTo_.load(std::memory_order_relaxed) == next || adopted_.load(std::memory_order_acquire) != next) return;
  listen(*next);
  listensTo_.store(next, std::memory_order_release);
}

void Receiver::leave(const Snapshot& next) {
  for (size_t endpoint = 0; endpoint < kMaxEndpoints; endpoint++) {
    Listening& present = listening_[endpoint];
    if (present.fd < 0 || present.fd == next.listenFd(endpoint, limits_.worker)) continue;
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, present.fd, nullptr);
    // What comes now is dropped, and counted by the kernel with the socket's drops: there would never be an end.
    takeNothing(present.fd);
    drainErrorQueue(present.fd);
    empty(static_cast<uint8_t>(endpoint), std::numeric_limits<uint32_t>::max());
    present = {};
  }
}

void Receiver::listen(const Snapshot& next) {
  logged_ = next.sampleOneIn != 0;
  for (size_t endpoint = 0; endpoint < kMaxEndpoints; endpoint++) {
    const int fd = next.listenFd(endpoint, limits_.worker);
    if (fd < 0 || fd == listening_[endpoint].fd) continue;
    listening_[endpoint] = {fd, next.endpoints[endpoint]->address.port()};
    announceReads(epoll_.get(), fd, {EventTag::Kind::kListen, 0, static_cast<uint32_t>(endpoint)});
  }
}

void Receiver::empty(uint8_t endpoint, uint32_t maxDatagrams) {
  for (uint32_t datagrams = 0; datagrams < maxDatagrams;) {
    const Taken taken = receive(endpoint);
    if (taken.all) return;
    datagrams += taken.datagrams;
  }
  more_ = true;
}

Receiver::Taken Receiver::receive(uint8_t endpoint) {
  const uint32_t room = ring_.room(limits_.batch);
  return room == 0 ? drop(listening_[endpoint].fd) : handOver(endpoint, room);
}

Receiver::Taken Receiver::handOver(uint8_t endpoint, uint32_t room) {
  const Listening& from = listening_[endpoint];
  const uint64_t timedFromNs = timed_.due() ? monotonicNs() : 0;
  const int received = ring_.receive(from.fd, room, {from.port, endpoint, logged_, timedFromNs});
  if (received <= 0) {
    if (timedFromNs != 0) timed_.putOff();
    return {true, 0};
  }
  const auto messages = static_cast<uint32_t>(received);
  ReceiveTally tally;
  for (uint32_t i = 0; i < messages; i++) tally.add(ring_.fresh(i));
  // Before anyone can route them: a reader never finds more routed than received.
  tally.countInto(counters_);
  if (ring_.publish(messages)) eventfd_write(workerWakeUp_, 1);
  noteDepth();
  return {messages < room, tally.datagrams()};
}

/// Left in the socket they would be lost all the same, in a count of the kernel that no stage has.
Receiver::Taken Receiver::drop(int fd) {
  const int received = dropped_.receive(fd, 0);
  if (received <= 0) return {true, 0};
  const auto messages = static_cast<uint32_t>(received);
  ReceiveTally tally;
  for (uint32_t i = 0; i < messages; i++) tally.add(dropped_.received(i, 0));
  tally.countInto(counters_);
  counters_.add(Counter::hand_off_dropped_ring_full, tally.datagrams());
  return {messages < dropped_.capacity(), tally.datagrams()};
}

void Receiver::noteDepth() {
  const uint32_t depth = ring_.depth();
  if (depth <= deepest_) return;
  deepest_ = depth;
  counters_.set(Gauge::kRingHighWater, depth);
}

}  // namespace quicproxy
