#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "context/batch_sampler.h"
#include "context/worker_counters.h"
#include "io/clock_cost.h"
#include "io/failure.h"
#include "io/file_descriptor.h"
#include "io/thread.h"
#include "receive/receive_ring.h"
#include "snapshot/snapshot.h"

namespace quicproxy {

/// Mode Decoupled: the thread beside a worker that empties its listening sockets into a ring, so that a worker that is
/// busy forwarding loses nothing in the kernel. A datagram that finds the ring full is received all the same, dropped
/// and counted: loss has a place.
///
/// A new snapshot reaches the worker through here. The receiver leaves the endpoints that are no more, with all that
/// they have received in the ring; then the worker empties the ring and adopts the snapshot; then the receiver listens
/// to the endpoints that are new. So every message in the ring is of an endpoint that the worker knows.
class Receiver {
 public:
  /// Messages that wait for the worker at most: 66 MiB if all are trains of 64 KiB, 4 to 8 MiB of single datagrams.
  static constexpr uint32_t kRingMessages = 1024;

  struct Limits {
    uint32_t worker;
    uint32_t batch;
    ClockUse clock;
    uint32_t ringMessages = kRingMessages;
  };
  /// counters: the receiver writes the cells receive_*, hand_off_*, the gauge of the ring and how long it has worked,
  /// nobody else does.
  /// workerWakeUp: the eventfd that the worker sleeps on. Null when memory or descriptors are refused.
  static std::unique_ptr<Receiver> create(const Limits& limits, const std::atomic<const Snapshot*>& current,
                                          WorkerCounters counters, int workerWakeUp);
  ~Receiver() { stop(); }

  // The control thread:

  std::optional<Failure> start();
  /// Makes it look at the current snapshot at once.
  void wake() const;
  /// The snapshot whose endpoints are listened to, all of them and no others; null while one replaces another.
  [[nodiscard]] const Snapshot* listensTo() const { return listensTo_.load(std::memory_order_acquire); }

  /// Ends the thread: all that was received is in the ring. May be called again.
  void stop();

  // The worker's thread:

  [[nodiscard]] ReceiveRing& ring() { return ring_; }
  /// The snapshot to adopt, once what waits in the ring is taken.
  [[nodiscard]] const Snapshot* left() const { return left_.load(std::memory_order_acquire); }
  /// The worker knows all endpoints of `adopted`: what comes to them may be handed over.
  void allow(const Snapshot* adopted);

 private:
  struct Listening {
    int fd = -1;
    uint16_t port = 0;
  };
  struct Taken {
    bool all;  ///< the socket has no more for now
    uint32_t datagrams;
  };

  Receiver(const Limits& limits, const std::atomic<const Snapshot*>& current, WorkerCounters counters,
           int workerWakeUp);

  void run();
  int wait(std::span<epoll_event> events);
  void follow();
  void leave(const Snapshot& next);
  void listen(const Snapshot& next);
  void empty(uint8_t endpoint, uint32_t maxDatagrams);
  Taken receive(uint8_t endpoint);
  Taken handOver(uint8_t endpoint, uint32_t room);
  Taken drop(int fd);
  void noteDepth();

  Limits limits_;
  const std::atomic<const Snapshot*>& current_;
  WorkerCounters counters_;
  int workerWakeUp_;
  FileDescriptor epoll_;
  FileDescriptor wakeUp_;
  ReceiveRing ring_;
  ReceiveBatch dropped_;
  std::array<Listening, kMaxEndpoints> listening_{};
  BusyTime busy_;
  BatchSampler timed_;
  bool logged_ = false;
  bool more_ = false;  ///< the latest turn left something to take
  uint32_t deepest_ = 0;
  std::atomic<const Snapshot*> left_{nullptr};
  std::atomic<const Snapshot*> adopted_{nullptr};
  std::atomic<const Snapshot*> listensTo_{nullptr};
  std::atomic<bool> stopping_{false};
  Thread thread_;
};

}  // namespace quicproxy
