#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "abi/contract_view.h"
#include "io/failure.h"
#include "io/listen_socket.h"
#include "snapshot/snapshot.h"

namespace quicproxy {

/// Turns a contract into the snapshot that follows `previous` (null at start): endpoints and backends that stay keep
/// their slots, sockets are opened for new endpoints. Changes nothing that `previous` uses; when it fails, what it
/// opened is closed again.
class SnapshotBuilder {
 public:
  /// backendHasFlows tells of a slot whether any worker still has flows to it.
  /// unadopted: snapshots before the previous one that a worker may still run on, and pass over to the next one.
  SnapshotBuilder(const ContractView& contract, const Snapshot* previous, std::function<bool(uint16_t)> backendHasFlows,
                  std::span<const std::unique_ptr<Snapshot>> unadopted = {});

  /// The workers as the snapshot finds them.
  struct Workers {
    std::vector<const FlowTable*> tables;   ///< of those that the contract names and of those that leave
    Steering* steering = nullptr;           ///< null: there is none
    uint32_t upstreamSocketsPerWorker = 0;  ///< bound of ConnectedSocketPool
    /// Whether any worker still has flows from a source (Snapshot::sources).
    std::function<bool(uint8_t)> sourceHasFlows = [](uint8_t) { return true; };
    /// True if a port is kept from others by a socket of this process, which now lets listening sockets in beside it.
    std::function<bool(uint16_t)> lendPort = [](uint16_t) { return false; };
  };
  /// Every worker of the contract has a socket at each endpoint, and a worker that leaves keeps what it has. Endpoints
  /// get the steering program; where the kernel refuses, the endpoint says why.
  SnapshotBuilder& runBy(Workers workers) {
    workers_ = std::move(workers);
    return *this;
  }

  std::variant<std::unique_ptr<Snapshot>, Failure> build();
  /// Routing only, no endpoints and no sockets: to ask where a datagram would go.
  std::variant<std::unique_ptr<Snapshot>, Failure> buildWithoutSockets();

 private:
  void takeSettings();
  void refuseSources();
  std::optional<Failure> placeEndpoints();
  std::variant<bool, Failure> keepEndpoint(const SocketAddress& address);
  std::optional<Failure> placeFreshEndpoint(uint32_t index);
  std::optional<Failure> buildRouting();
  std::optional<Failure> openSockets(ListenEndpoint& endpoint) const;
  [[nodiscard]] bool portIsOurs(const SocketAddress& address) const;
  void steer(ListenEndpoint& endpoint) const;
  [[nodiscard]] bool isComplete(const ListenEndpoint& endpoint) const;
  std::optional<Failure> placeBackends();
  std::map<std::string, uint16_t> retireAll();
  bool placeFreshBackend(uint32_t index);
  std::optional<uint16_t> takeSlot();
  void nameSources();
  void freeSources();
  std::optional<uint8_t> sourceIndex(const MappedAddress& address);
  std::optional<Failure> buildQuicLb();
  void buildMaglev();

  const ContractView& contract_;
  const Snapshot* previous_;
  std::span<const std::unique_ptr<Snapshot>> unadopted_;
  Workers workers_;
  std::function<bool(uint16_t)> backendHasFlows_;
  std::unique_ptr<Snapshot> next_;
  std::vector<uint16_t> reusable_;
  std::vector<uint16_t> slotOfRecord_;
};

}  // namespace quicproxy
