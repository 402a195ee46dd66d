#pragma once

#include <atomic>
#include <cstdint>

#include "wire/four_tuple.h"

namespace quicproxy {

inline constexpr uint32_t kNoFlow = 0xffffffff;
inline constexpr uint16_t kNoBackend = 0xffff;

enum FlowFlag : uint16_t {
  kFlowLive = 1,
  kFlowAnswered = 2,      ///< the backend sent something, be it what it sends to any stranger
  kFlowConfirmed = 4,     ///< the client has shown that it receives (route/path_proof.h): nothing evicts it
  kFlowMoved = 8,         ///< a known connection came from here; little is returned until somebody goes on from here
  kFlowReturnedTo = 16,   ///< something was returned since the client's last datagram
  kFlowSampled = 32,      ///< its datagrams are noted for the log
  kFlowBorrowed = 64,     ///< sends from the upstream port of another worker's flow, which gets the replies
  kFlowPathKept = 128,    ///< the steering program knows its path
  kFlowOpening = 256,     ///< the hash placed it, and its first datagram could begin a QUIC connection
  kFlowIdPending = 1024,  ///< FlowHistory::vouched is in no table yet: its client has to use it first
  kFlowSettled = 2048,  ///< somebody goes on from here, over several round trips: it is kept as long as a confirmed one
  kFlowUntold = 4096,   ///< confirmed, and the kernel knows no Connection ID of it yet
  kFlowNoQuic = 512,    ///< its long headers show ever new versions: look-alikes (RTP), nothing is learned from them
};

/// One client path to one backend, as every datagram of it needs it. Plain old data: no pointers, no descriptors.
struct alignas(64) Flow {
  FourTuple tuple;
  uint32_t lastSeenMs;    ///< of either direction; other workers touch it too: seenAtMs(), see()
  uint32_t next;          ///< in the list of free flows, or of evictable ones
  uint32_t previous;      ///< in the latter
  uint32_t cidLengths;    ///< of the IDs that backends chose on this 4-tuple: bit n stands for n octets
  uint16_t upstreamPort;  ///< source port toward its backend, where the upstream level chooses it
  uint16_t backendSlot;
  uint8_t upstreamSource;  ///< local address that it reaches its backend from: index in the snapshot
  uint8_t backendEpoch;    ///< tells a reused backend slot from its former owner
  uint8_t epoch;           ///< tells a reused flow from its former owner
  uint8_t endpoint;
  uint16_t flags;
  uint8_t serverCidLength;  ///< of the ID that its backend chose last; 0: none was seen
  uint8_t owner;            ///< of a borrowed flow: the worker whose port it sends from

  [[nodiscard]] bool is(FlowFlag flag) const { return (flags & flag) != 0; }
  void set(FlowFlag flag) { flags = static_cast<uint16_t>(flags | flag); }
  void clear(FlowFlag flag) { flags = static_cast<uint16_t>(flags & ~flag); }

  [[nodiscard]] uint32_t seenAtMs() const {
    return std::atomic_ref(const_cast<uint32_t&>(lastSeenMs)).load(std::memory_order_relaxed);
  }
  /// Any worker.
  void see(uint32_t nowMs) { std::atomic_ref(lastSeenMs).store(nowMs, std::memory_order_relaxed); }
};
static_assert(sizeof(Flow) == 64);

/// What is needed of a flow now and then: when it begins, moves, learns or ends.
struct FlowHistory {
  static constexpr size_t kCids = 4;
  static constexpr uint32_t kNoPlace = 0xffffffff;

  uint64_t vouched;    ///< key word of the Connection ID that its backend showed last; 0: none
  uint64_t published;  ///< FlowWay, for other workers
  uint32_t
      connection;  ///< keyed hash of the Connection ID that names it in the log; of its first DCID until it is learned
  union {
    uint32_t clientVersion;  ///< of the client's latest long header; 0: none was seen
    uint32_t ownerFlow;      ///< of a borrowed flow
  };
  uint32_t sibling;      ///< the next flow of the same 4-tuple, to another backend
  uint32_t cids[kCids];  ///< where the IDs that its client claimed stand in the table, the oldest gives way
  uint32_t scid;         ///< where its client's own ID stands
  uint16_t roundAt;      ///< the last round trip that counted, in units of 16 ms
  uint16_t allowance;    ///< octets that may still be returned to a moved path
  uint8_t rounds;        ///< round trips that counted
  uint8_t movedRounds;
  uint8_t versions;  ///< how often the client's version changed
  uint8_t nextCid;   ///< in cids
  uint8_t ownerEpoch;
  uint8_t notes;       ///< FlowNote, set by other workers
  uint8_t moves;       ///< in that second, of connections that came from this flow
  uint8_t movesAt;     ///< in units of 1,024 ms
  uint8_t searches;    ///< in that second, of its unknown IDs in other workers' tables
  uint8_t searchesAt;  ///< in units of 1,024 ms
};
static_assert(sizeof(FlowHistory) == 64);

/// What a worker tells of another one's flow.
enum FlowNote : uint8_t {
  kNoteConfirmed = 1,  ///< its client has shown that it receives, to a worker that borrows the flow
  kNoteSettled = 2,    ///< its client goes on by way of such a worker
};

/// What another worker needs to send as a flow does, in one word that is read and written whole.
struct FlowWay {
  uint16_t upstreamPort;
  uint16_t backendSlot;
  uint8_t upstreamSource;
  uint8_t epoch;  ///< of the flow
  uint8_t serverCidLength;
  bool lends;  ///< a live flow that sends from a port of its own
  bool confirmed;

  [[nodiscard]] uint64_t pack() const {
    return uint64_t{upstreamPort} | uint64_t{backendSlot} << 16 | uint64_t{upstreamSource} << 32 |
           uint64_t{epoch} << 40 | uint64_t{serverCidLength} << 48 | uint64_t{lends} << 56 | uint64_t{confirmed} << 57;
  }
  static FlowWay unpack(uint64_t word) {
    return {static_cast<uint16_t>(word),
            static_cast<uint16_t>(word >> 16),
            static_cast<uint8_t>(word >> 32),
            static_cast<uint8_t>(word >> 40),
            static_cast<uint8_t>(word >> 48),
            (word >> 56 & 1) != 0,
            (word >> 57 & 1) != 0};
  }
};

/// What the index tables hold for a key: a backend, and the flow that used the key last.
struct FlowReference {
  static constexpr uint32_t kFlowMask = 0x7fffffff;

  uint32_t flow;
  uint16_t backendSlot;
  uint8_t backendEpoch;
  uint8_t flowEpoch;
  bool claimed = false;  ///< of a Connection ID: a client used it; a backend did not show it

  [[nodiscard]] uint64_t pack() const {
    return uint64_t{(flow & kFlowMask) | uint32_t{claimed} << 31} | uint64_t{backendSlot} << 32 |
           uint64_t{backendEpoch} << 48 | uint64_t{flowEpoch} << 56;
  }
  static FlowReference unpack(uint64_t value) {
    const auto low = static_cast<uint32_t>(value);
    return {low & kFlowMask, static_cast<uint16_t>(value >> 32), static_cast<uint8_t>(value >> 48),
            static_cast<uint8_t>(value >> 56), (low & ~kFlowMask) != 0};
  }
};

}  // namespace quicproxy
