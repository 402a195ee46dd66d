#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "abi/contract.h"
#include "io/file_descriptor.h"
#include "io/listen_socket.h"
#include "io/socket_address.h"
#include "network/source_addresses.h"
#include "route/router.h"
#include "route/siphash.h"
#include "snapshot/refused_sources.h"
#include "steer/steering.h"

namespace quicproxy {

/// A worker's member of the SO_REUSEPORT group of a listening address. Lives as long as a snapshot names it.
struct ListenSocket {
  FileDescriptor fd;
  // The control thread alone looks at these.
  bool steered = false;  ///< the steering program knows it
  bool left = false;     ///< the group (leaveGroup)
};

/// A listening address.
struct ListenEndpoint {
  SocketAddress address;
  std::vector<std::shared_ptr<ListenSocket>> sockets;  ///< by worker, those that leave too
  std::shared_ptr<const SteeredGroup> steered;         ///< null: the kernel's hash chooses the socket
  std::string steeringRefusal;                         ///< why it does, where steering was to be
  uint64_t dropsOfClosed = 0;                          ///< what the kernel dropped at sockets that are closed

  /// -1 for a worker that does not listen yet.
  [[nodiscard]] int fdOf(uint32_t worker) const { return worker < sockets.size() ? sockets[worker]->fd.get() : -1; }
};

enum class BackendState : uint8_t {
  kActive,    ///< in the present contract
  kDraining,  ///< removed, but flows still go to it
  kRetired,   ///< removed and without flows: no new one can begin, the slot may be reused by the next snapshot
};

struct Backend {
  SocketAddress address;
  uint32_t weight = 0;
  uint8_t epoch = 0;  ///< raised when the slot gets another backend; never 0 once it had one
  BackendState state = BackendState::kRetired;
  uint8_t sourceCount = 0;
  std::array<uint8_t, kMaxSourceAddresses> sources{};  ///< indexes in Snapshot::sources, the preferred one first

  /// Whether a flow whose source is this one may go on. Without any source toward the backend there is none to change
  /// to, and the one that went may come back.
  [[nodiscard]] bool reachedFrom(uint8_t source) const {
    if (sources[0] == source || sourceCount == 0) return true;
    for (uint8_t i = 1; i < sourceCount; i++) {
      if (sources[i] == source) return true;
    }
    return false;
  }
};

/// Flow::upstreamSource where the snapshot does not name the address that a flow is sent from.
inline constexpr uint8_t kUnnamedSource = 0xff;

/// What workers run on: made by the control thread, never changed afterwards, swapped by pointer.
/// A slot's index means the same endpoint or backend in every snapshot in which it is taken.
struct Snapshot {
  uint64_t generation;
  Mode mode;
  Fallback fallback;
  uint8_t shortHeaderCidLength;
  uint32_t idleTimeoutMs;
  uint32_t newFlowsPerSecond;
  uint32_t sampleOneIn;
  BufferSizes buffers{};                  ///< of every socket
  uint32_t workers;                       ///< that listen
  uint32_t upstreamSocketsPerWorker = 0;  ///< bound of ConnectedSocketPool
  SipKey hashKey;
  Steering* steering = nullptr;          ///< null: the kernel's hash alone spreads datagrams over workers
  std::vector<const FlowTable*> tables;  ///< of all workers, those that leave too
  std::array<std::shared_ptr<const ListenEndpoint>, kMaxEndpoints> endpoints;
  std::vector<Backend> backends;       ///< by slot
  std::vector<MappedAddress> sources;  ///< local addresses toward backends, all zero where a place is free; an index
                                       ///< means the same as long as a backend or a flow has it
  std::bitset<65536> portsNamed;       ///< of endpoints and of backends on this host: no source port
  std::vector<uint8_t> takesNew;       ///< by slot, for the router: 1 where new connections may go
  RefusedSources refusedSources;
  std::vector<uint8_t> backendEpochs;  ///< by slot, for the router: 0 where nothing may be routed to
  MaglevTable maglev;
  QuicLbRouting quicLb;

  /// -1 where the worker does not listen.
  [[nodiscard]] int listenFd(size_t endpoint, uint32_t worker) const {
    return endpoints[endpoint] ? endpoints[endpoint]->fdOf(worker) : -1;
  }

  [[nodiscard]] RouteView routeView() const { return routeView(maglev, quicLb); }
  /// The same but for what picks the backend: to ask what would be.
  [[nodiscard]] RouteView routeView(const MaglevTable& table, const QuicLbRouting& routable) const {
    return {routable,      table,       backendEpochs, takesNew, hashKey, fallback, shortHeaderCidLength,
            idleTimeoutMs, sampleOneIn, tables};
  }
};

}  // namespace quicproxy
