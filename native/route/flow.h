#pragma once

#include <cstdint>

#include "wire/four_tuple.h"

namespace quicproxy {

inline constexpr uint32_t kNoFlow = 0xffffffff;
inline constexpr uint16_t kNoBackend = 0xffff;

/// How many Connection IDs a client may have recorded for one flow by using them. Bounds what one client can put
/// into the tables; IDs that a backend vouches for do not count.
inline constexpr uint8_t kMaxClaimedCids = 8;

enum FlowFlag : uint8_t {
  kFlowLive = 1,
  kFlowAssured = 2,      ///< the backend answered: it is no flow that somebody made up to fill the table
  kFlowUnconfirmed = 4,  ///< a known connection came from here, but nobody has shown yet to receive here
  kFlowReturnedTo = 8,   ///< something was returned to an unconfirmed path
  kFlowSampled = 16,     ///< its datagrams are noted for the log
  kFlowInitial = 32,     ///< the hash placed it, and its first datagram could begin a QUIC connection
};

/// Octets that an unconfirmed path gets in any case: three datagrams of the size that a server's PATH_CHALLENGE has
/// (RFC 9000 section 8.2.1). A strict three times what came, often one small acknowledgement, lost the challenge of
/// servers that pad it, and connections stood for seconds.
inline constexpr uint32_t kPathAllowance = 3 * 1200;

/// One client path to one backend. Plain old data: no pointers, no descriptors.
struct Flow {
  FourTuple tuple;
  uint32_t lastSeenMs;
  uint32_t next;        ///< in the list of free flows, or of unassured ones in the order of their creation
  uint32_t previous;    ///< in the latter
  uint32_t connection;  ///< keyed hash of the Connection ID that names it in the log
  uint32_t allowance;   ///< octets that may still be returned to an unconfirmed path
  uint16_t backendSlot;
  uint8_t backendEpoch;  ///< tells a reused backend slot from its former owner
  uint8_t epoch;         ///< tells a reused flow from its former owner
  uint8_t endpoint;
  uint8_t flags;
  uint8_t serverCidLength;  ///< of the backend's latest long header; 0 when none was seen
  uint8_t claimedCids;
  uint8_t claimedScids;
  uint8_t upstreamSource;  ///< local address that it reaches its backend from: index in the snapshot
  uint16_t upstreamPort;   ///< source port toward its backend, where the upstream level chooses it
};
static_assert(sizeof(Flow) == 68);

/// What the index tables hold for a key: a backend, and the flow that used the key last.
struct FlowReference {
  uint32_t flow;
  uint16_t backendSlot;
  uint8_t backendEpoch;
  uint8_t flowEpoch;

  [[nodiscard]] uint64_t pack() const {
    return uint64_t{flow} | uint64_t{backendSlot} << 32 | uint64_t{backendEpoch} << 48 | uint64_t{flowEpoch} << 56;
  }
  static FlowReference unpack(uint64_t value) {
    return {static_cast<uint32_t>(value), static_cast<uint16_t>(value >> 32), static_cast<uint8_t>(value >> 48),
            static_cast<uint8_t>(value >> 56)};
  }
};

}  // namespace quicproxy
