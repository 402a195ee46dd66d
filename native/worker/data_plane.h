#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "abi/contract_view.h"
#include "context/counter_region.h"
#include "io/failure.h"
#include "io/thread.h"
#include "network/network_monitor.h"
#include "snapshot/snapshot.h"
#include "worker/worker_set.h"

namespace quicproxy {

/// A worker's listening socket.
struct SocketStatus {
  uint32_t worker;
  uint32_t receiveBufferBytes;  ///< as the kernel accounts it
  uint32_t queuedBytes;         ///< of it
  uint32_t kernelDrops;
};

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
  std::vector<SocketStatus> sockets;
};

struct BackendStatus {
  uint32_t slot;
  std::string address;
  uint16_t port;
  uint32_t weight;
  bool active;
  std::vector<std::string> sources;  ///< local addresses that it is reached from; none: this host has no way to it
};

struct DataPlaneStatus {
  uint64_t generation;
  uint32_t workers;
  uint32_t leavingWorkers;  ///< beyond those, as long as they have flows
  uint32_t batch;
  uint32_t flowCapacity;
  ClockUse clock;
  const char* upstreamLevel;
  std::string upstreamReason;  ///< why it is not the level above; empty when it is, or was not asked for
  uint32_t upstreamSocketMax;  ///< of ConnectedSocketPool
  WorkerSet::SocketBound upstreamSocketBound;
  bool networkEvents;          ///< false: the kernel refuses to tell of changed addresses and routes, they are polled
  uint32_t upstreamPortFirst;  ///< of RawSend, 0 otherwise
  uint32_t upstreamPortLast;
  uint32_t upstreamReceiveBufferAsked;
  uint32_t upstreamReceiveBufferEffective;  ///< smallest of all workers, as the kernel accounts it
  uint64_t flowMemoryBytes;
  uint64_t kernelDropsOfClosed;  ///< at listening sockets of addresses that are no more
  const char* steering;          ///< the level in use
  std::string steeringReason;    ///< why it is not ConnectionId; empty when it is, or where there is nothing to steer
  std::vector<EndpointStatus> endpoints;
  std::vector<BackendStatus> backends;
};

/// The control side of the packet path: owns workers, sockets, tables and counters. One thread calls it, and one of its
/// own follows the addresses and routes of this host, whatever the caller is about; workers run beside and never wait
/// for either.
class DataPlane {
 public:
  static std::variant<std::unique_ptr<DataPlane>, Failure> start(std::span<const uint8_t> contract);
  ~DataPlane();

  /// Swaps the contract while traffic flows. On failure the present one stays, untouched.
  std::optional<Failure> apply(std::span<const uint8_t> contract);
  [[nodiscard]] DataPlaneStatus status() const;
  /// To be called now and then: lets go of workers that have left and have no flows any more.
  void tend();
  /// Takes up to `max` samples that workers have noted since the last call, by worker and in order.
  std::vector<Sample> takeSamples(size_t max);
  /// Joins the workers and closes everything; the counters stay readable.
  void stop();

  [[nodiscard]] std::shared_ptr<CounterRegion> counters() const { return counters_; }

  /// Changes of addresses and routes so far that changed how backends are reached.
  [[nodiscard]] uint32_t networkChanges() const { return networkChanges_.load(std::memory_order_relaxed); }

 private:
  DataPlane() = default;

  std::optional<Failure> followNetwork();
  void runNetwork();
  void adaptToNetwork();
  [[nodiscard]] bool sourcesHaveChanged() const;
  [[nodiscard]] uint32_t descriptorsOfListeners() const;
  std::optional<Failure> load(std::span<const uint8_t> contract);
  [[nodiscard]] std::string restartReason(const ContractHeader& next) const;
  std::optional<Failure> swap(const ContractHeader& before);
  std::variant<std::unique_ptr<Snapshot>, Failure> build(uint32_t workers);
  void setBuffers(const Snapshot& snapshot) const;
  void closeRetired();
  [[nodiscard]] std::map<std::string, const ListenEndpoint*> endpointsThatWent() const;
  static void dismiss(const Snapshot& snapshot);
  void publish(std::unique_ptr<Snapshot> next, uint32_t workers);
  void prepareSteering();
  [[nodiscard]] std::string steeringReason() const;
  [[nodiscard]] EndpointStatus endpointStatus(uint32_t index) const;

  mutable std::mutex mutex_;  ///< of all but what is constant once it runs
  NetworkMonitor network_;
  Thread networkThread_;
  std::atomic<uint32_t> networkChanges_{0};
  std::vector<uint8_t> contractBytes_;
  ContractView contract_;
  std::unique_ptr<Steering> steering_;
  std::string steeringRefusal_;
  std::shared_ptr<CounterRegion> counters_;
  uint64_t kernelDropsOfClosed_ = 0;
  std::unique_ptr<Snapshot> current_;
  std::vector<std::unique_ptr<Snapshot>> retired_;  ///< replaced, perhaps still in a worker's hands
  std::unique_ptr<WorkerSet> workers_;              ///< null once stopped
};

}  // namespace quicproxy
