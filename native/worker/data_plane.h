#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "abi/contract_view.h"
#include "forward/upstream_ports.h"
#include "io/failure.h"
#include "worker/counter_region.h"
#include "worker/snapshot.h"
#include "worker/worker.h"

namespace quicproxy {

struct EndpointStatus {
  uint32_t index;
  std::string address;
  uint16_t port;
  uint8_t family;
  std::string skipped;  ///< why the endpoint is not listened on; empty when it is
  uint32_t receiveBufferAsked;
  uint32_t receiveBufferEffective;  ///< smallest of all workers, as the kernel accounts it
  uint32_t sendBufferEffective;
  uint64_t kernelDrops;  ///< sum of all workers
};

struct BackendStatus {
  uint32_t slot;
  std::string address;
  uint16_t port;
  uint32_t weight;
  bool active;
};

struct DataPlaneStatus {
  uint64_t generation;
  uint32_t workers;
  uint32_t batch;
  uint32_t flowCapacity;
  const char* upstreamLevel;
  std::string upstreamReason;  ///< why it is not the level above; empty when it is, or was not asked for
  uint32_t upstreamSocketMax;  ///< of ConnectedSocketPool
  uint32_t upstreamPortFirst;  ///< of RawSend, 0 otherwise
  uint32_t upstreamPortLast;
  uint64_t flowMemoryBytes;
  const char* steering;        ///< the level in use
  std::string steeringReason;  ///< why it is not ConnectionId; empty when it is, or where there is nothing to steer
  std::vector<EndpointStatus> endpoints;
  std::vector<BackendStatus> backends;
};

/// The control side of the packet path: owns workers, sockets, tables and counters. One thread calls it; workers run
/// beside and never wait for it.
class DataPlane {
 public:
  static std::variant<std::unique_ptr<DataPlane>, Failure> start(std::span<const uint8_t> contract);
  ~DataPlane();

  /// Swaps the contract while traffic flows. On failure the present one stays, untouched.
  std::optional<Failure> apply(std::span<const uint8_t> contract);
  [[nodiscard]] DataPlaneStatus status() const;
  /// Takes up to `max` samples that workers have noted since the last call, by worker and in order.
  std::vector<Sample> takeSamples(size_t max);
  /// Joins the workers and closes everything; the counters stay readable.
  void stop();

  [[nodiscard]] std::shared_ptr<CounterRegion> counters() const { return counters_; }

 private:
  DataPlane() = default;

  std::optional<Failure> load(std::span<const uint8_t> contract);
  std::optional<Failure> allocate();
  std::optional<Failure> startWorkers(std::unique_ptr<Snapshot> first);
  std::vector<std::unique_ptr<Upstream>> openUpstreams();
  std::string openRawUpstreams(std::vector<std::unique_ptr<Upstream>>& upstreams);
  bool catchFrom(const Snapshot& snapshot, UpstreamPorts::Keep keep);
  [[nodiscard]] std::string restartReason(const ContractHeader& next) const;
  [[nodiscard]] bool backendHasFlows(uint16_t slot) const;
  [[nodiscard]] EndpointStatus endpointStatus(uint32_t index) const;
  void publish(std::unique_ptr<Snapshot> next);
  void prepareSteering();
  [[nodiscard]] std::string steeringReason() const;
  void releaseRetired();

  std::vector<uint8_t> contractBytes_;
  ContractView contract_;
  std::shared_ptr<CounterRegion> counters_;
  std::unique_ptr<UpstreamPorts> upstreamPorts_;  ///< of RawSend
  std::string upstreamReason_;
  SipKey tableKey_;
  std::vector<MappedMemory> flowMemory_;
  std::vector<std::unique_ptr<FlowTable>> flowTables_;
  std::unique_ptr<Steering> steering_;
  std::string steeringRefusal_;
  WorkerShared shared_;
  std::unique_ptr<Snapshot> current_;
  std::vector<std::unique_ptr<Snapshot>> retired_;  ///< replaced, perhaps still in a worker's hands
  std::vector<std::unique_ptr<Worker>> workers_;
  uint32_t flowsPerWorker_ = 0;
  uint32_t socketsPerWorker_ = 0;
  bool running_ = false;
};

}  // namespace quicproxy
