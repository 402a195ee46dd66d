#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "forward/forward_path.h"
#include "io/failure.h"
#include "io/mapped_memory.h"
#include "return/return_path.h"
#include "worker/worker_context.h"

namespace quicproxy {

/// What all workers of a data plane see.
struct WorkerShared {
  std::atomic<const Snapshot*> current{nullptr};
  CidLengths cidLengths;
};

/// One thread that receives, routes and forwards (run to completion) on its own listening sockets and its own flows.
/// Where the snapshot has no socket for it, it only goes on with the flows that it has.
class Worker {
 public:
  struct Limits {
    uint32_t index;
    uint32_t batch;
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

  /// Control thread only; false when there is no sample.
  bool takeSample(Sample& sample) { return context_.samples.pop(sample); }

  /// The snapshot that the worker runs on; it has let go of every earlier one.
  [[nodiscard]] const Snapshot* adopted() const { return adopted_.load(std::memory_order_acquire); }

 private:
  Worker(const Limits& limits, WorkerShared& shared, FlowTable& flows, std::unique_ptr<Upstream> upstream,
         WorkerCounters counters);

  void run();
  void adopt(const Snapshot* next);
  void leaveEndpoints(const Snapshot& previous, const Snapshot& next);
  void resetReusedBackends(const Snapshot* previous, const Snapshot& next);
  [[nodiscard]] int ownFd(const Snapshot& snapshot, size_t slot) const;
  void listen(uint8_t endpoint, int fd);
  void unlisten(uint8_t endpoint, int fd);
  void handle(uint64_t tag);
  void receiveFromClients(uint8_t endpoint);
  void sweep();
  void publishGauges();
  void publishSteering();

  Limits limits_;
  WorkerShared& shared_;
  FileDescriptor epoll_;
  FileDescriptor wakeUp_;
  std::unique_ptr<Upstream> upstream_;
  WorkerContext context_;
  ForwardPath forward_;
  ReturnPath return_;
  uint32_t sweptAtMs_ = 0;
  uint32_t steeringReadAtMs_ = 0;
  std::array<uint64_t, QP_STEER_OUTCOMES> steeringCounted_{};
  std::atomic<const Snapshot*> adopted_{nullptr};
  std::atomic<bool> stopping_{false};
  std::optional<pthread_t> thread_;
};

}  // namespace quicproxy
