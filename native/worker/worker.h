#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "context/worker_context.h"
#include "forward/forward_path.h"
#include "io/failure.h"
#include "io/mapped_memory.h"
#include "io/thread.h"
#include "receive/receiver.h"
#include "return/return_path.h"

namespace quicproxy {

/// What all workers of a data plane see.
struct WorkerShared {
  std::atomic<const Snapshot*> current{nullptr};
  CidLengths cidLengths;
};

/// One thread that routes and forwards on its own flows. It receives from its own listening sockets itself (run to
/// completion), or has a receiving thread beside it that does (mode Decoupled). Where the snapshot has no socket for
/// it, it only goes on with the flows that it has.
class Worker {
 public:
  struct Limits {
    uint32_t index;
    uint32_t batch;
    bool decoupled;
    ClockUse clock;
  };

  /// Allocates everything the worker will ever use.
  static std::unique_ptr<Worker> create(const Limits& limits, WorkerShared& shared, FlowTable& flows,
                                        std::unique_ptr<Upstream> upstream, WorkerCounters counters);
  ~Worker();

  std::optional<Failure> start();
  /// Makes the worker look at the shared state at once instead of at its next event.
  void wake() const;
  /// Asks the thread to end; the destructor waits for it.
  void stop();

  /// Control thread only: whether flows leave from this source (index in the snapshot).
  [[nodiscard]] bool usesSource(uint8_t source) const { return upstream_->usesSource(source); }
  /// Control thread only; false when there is no sample.
  bool takeSample(Sample& sample) { return context_.samples.pop(sample); }

  /// The snapshot that the worker runs on; it has let go of every earlier one. Null while it changes over.
  [[nodiscard]] const Snapshot* adopted() const;

 private:
  Worker(const Limits& limits, WorkerShared& shared, FlowTable& flows, std::unique_ptr<Upstream> upstream,
         WorkerCounters counters);

  void run();
  [[nodiscard]] const Snapshot* offered() const;
  void adopt(const Snapshot* next);
  void leaveEndpoints(const Snapshot& previous, const Snapshot& next);
  void resetReusedBackends(const Snapshot* previous, const Snapshot& next);
  void listen(uint8_t endpoint, int fd);
  void unlisten(uint8_t endpoint, int fd);
  void handle(const EventTag& tag, bool failed);
  void receiveFromClients(uint8_t endpoint);
  [[nodiscard]] int waitMs();
  int wait(std::span<epoll_event> events);
  void takeFromRing();
  void emptyRing();
  void sweep();
  void publishGauges();
  void tendLengths();
  void publishSteering();

  Limits limits_;
  WorkerShared& shared_;
  FileDescriptor epoll_;
  FileDescriptor wakeUp_;
  std::unique_ptr<Upstream> upstream_;
  WorkerContext context_;
  std::unique_ptr<Receiver> receiver_;
  ForwardPath forward_;
  ReturnPath return_;
  BusyTime busy_;
  bool more_ = false;  ///< the latest turn left something to take
  uint32_t sweptAtMs_ = 0;
  uint64_t sweepDue_ = 0;  ///< flows that should have been looked at by now
  uint32_t tendedAtMs_ = 0;
  uint32_t steeringReadAtMs_ = 0;
  std::array<uint64_t, QP_STEER_OUTCOMES> steeringCounted_{};
  std::atomic<const Snapshot*> adopted_{nullptr};
  std::atomic<bool> stopping_{false};
  Thread thread_;
};

}  // namespace quicproxy
