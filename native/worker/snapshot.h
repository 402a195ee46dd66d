#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "abi/contract.h"
#include "io/file_descriptor.h"
#include "io/socket_address.h"
#include "route/maglev.h"
#include "route/siphash.h"

namespace quicproxy {

/// A listening address: one member of its SO_REUSEPORT group per worker. Lives as long as a snapshot names it.
struct ListenEndpoint {
  uint32_t contractIndex;
  SocketAddress address;
  std::vector<FileDescriptor> sockets;  ///< by worker
};

struct Backend {
  SocketAddress address;
  uint32_t weight;
  uint8_t epoch;  ///< 0: the slot is free
  bool active;    ///< in the present contract; otherwise it only keeps its flows
};

/// What workers run on: made by the control thread, never changed afterwards, swapped by pointer.
/// A slot's index means the same endpoint or backend in every snapshot in which it is taken.
struct Snapshot {
  uint64_t generation;
  Mode mode;
  Fallback fallback;
  uint8_t shortHeaderCidLength;
  uint32_t idleTimeoutMs;
  SipKey hashKey;
  std::array<std::shared_ptr<const ListenEndpoint>, kMaxEndpoints> endpoints;
  std::vector<Backend> backends;       ///< by slot
  std::vector<uint8_t> backendEpochs;  ///< by slot, for the router
  MaglevTable maglev;
};

}  // namespace quicproxy
