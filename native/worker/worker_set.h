#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "context/counter_region.h"
#include "io/clock_cost.h"
#include "io/failure.h"
#include "io/mapped_memory.h"
#include "route/flow_table.h"
#include "worker/upstream_opener.h"
#include "worker/worker.h"

namespace quicproxy {

/// The workers of a data plane by number, and what each of them owns. A worker that joins is there before a snapshot
/// names it; one that the snapshot names no more leaves: it goes on with its flows until the last of them has ended.
/// Control thread only.
class WorkerSet {
 public:
  /// Divides flow memory and descriptors as the contract says; makes tables, no threads yet.
  static std::variant<std::unique_ptr<WorkerSet>, Failure> create(const ContractHeader& header);

  /// Opens upstreams and starts the threads. `snapshot` has to stay until another one was published.
  std::optional<Failure> start(const Snapshot& snapshot);
  /// Adds workers up to this number, on the snapshot that is published now. On failure none was added.
  std::optional<Failure> growTo(uint32_t workers);
  /// Ends those from `workers` on.
  void shrinkTo(uint32_t workers) { members_.resize(workers); }
  void stop();

  [[nodiscard]] bool allAdopted(const Snapshot& snapshot) const;
  /// Has every worker take this snapshot. False when one has not within two seconds.
  bool publish(const Snapshot& snapshot);

  /// How many there are once those are gone that have left `snapshot` and have no flows any more.
  [[nodiscard]] uint32_t sizeWithoutFinished(const Snapshot& snapshot) const;
  [[nodiscard]] uint32_t size() const { return static_cast<uint32_t>(members_.size()); }

  [[nodiscard]] std::vector<const FlowTable*> tables(uint32_t workers) const;
  [[nodiscard]] uint32_t flowCapacity() const;
  [[nodiscard]] uint64_t flowMemoryBytes() const;
  /// Of the upstream sockets of all workers the smallest receive buffer, as the kernel accounts it.
  [[nodiscard]] uint32_t upstreamReceiveBuffer() const;
  /// What bounds the sockets of ConnectedSocketPool below what was asked for.
  enum class SocketBound : uint8_t { kAsked, kOpenFiles, kPorts };
  /// Bounds the sockets of ConnectedSocketPool by the descriptors and ports that are left now that all listening
  /// sockets are open. Returns the share of each of so many workers.
  uint32_t divideSockets(uint32_t workers);
  [[nodiscard]] SocketBound socketBound() const { return socketBound_; }
  /// Fails with the number that would do where the limit on open files has no room for so many workers, so many more of
  /// listeners, and the rest of the process.
  [[nodiscard]] std::optional<Failure> checkDescriptors(uint32_t workers, uint32_t ofListeners) const;
  /// Whether any flow leaves from this source (index in the snapshot).
  [[nodiscard]] bool sourceHasFlows(uint8_t source) const;
  [[nodiscard]] bool backendHasFlows(uint16_t slot) const;
  bool takeSample(uint32_t worker, Sample& sample) { return members_[worker].worker->takeSample(sample); }

  [[nodiscard]] const ClockUse& clockUse() const { return clock_; }
  [[nodiscard]] const std::shared_ptr<CounterRegion>& counters() const { return counters_; }
  [[nodiscard]] UpstreamOpener& upstreams() { return *upstreams_; }
  [[nodiscard]] const UpstreamOpener& upstreams() const { return *upstreams_; }

 private:
  struct Member {
    MappedMemory memory;
    std::unique_ptr<FlowTable> flows;
    std::unique_ptr<Worker> worker;
  };

  WorkerSet(const ContractHeader& header, SipKey tableKey);

  std::optional<Failure> allocate(uint32_t flows);
  std::optional<Failure> run(uint32_t index, std::unique_ptr<Upstream> upstream);
  void forgetReusedBackends(const Snapshot& previous, const Snapshot& next);
  [[nodiscard]] std::variant<uint32_t, Failure> flowsForNewcomers(uint32_t workers) const;
  [[nodiscard]] uint64_t descriptorsToCome(uint32_t workers) const;

  uint32_t batch_;
  bool decoupled_;
  ClockUse clock_;
  uint64_t flowMemoryBytes_;    ///< asked for
  uint32_t upstreamSocketMax_;  ///< asked for
  SocketBound socketBound_ = SocketBound::kAsked;
  SipKey tableKey_;
  WorkerShared shared_;
  std::shared_ptr<CounterRegion> counters_;
  std::unique_ptr<UpstreamOpener> upstreams_;
  std::vector<Member> members_;  ///< before upstreams_ ends, whose ports they give back
};

}  // namespace quicproxy
