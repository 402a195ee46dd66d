#pragma once

#include <cstddef>
#include <cstdint>

/// The contract: everything the native side runs on, as one immutable, versioned buffer.
/// Little endian, no pointers, offsets from the buffer's start. proxy/contract/encode.ts writes it,
/// abi/contract_view.h validates it before anything is read from it.
namespace quicproxy {

inline constexpr uint32_t kContractMagic = 0x31585051;  // "QPX1"
inline constexpr uint16_t kContractVersion = 1;

enum class Mode : uint8_t { kRunToCompletion = 0, kBaseline = 1, kDecoupled = 2 };
enum class Fallback : uint8_t { kFourTuple = 0, kConnectionId = 1 };

/// What is tried to reach backends with; see forward/upstream.h.
enum class UpstreamLevel : uint8_t { kAuto = 0, kSockets = 1 };

/// Short headers do not carry the length of their CID (RFC 8999 section 5.2).
inline constexpr uint8_t kCidLengthLearned = 0xff;

struct ContractHeader {
  uint32_t magic;
  uint16_t version;
  uint16_t headerBytes;
  uint64_t generation;
  uint32_t totalBytes;
  Mode mode;
  Fallback fallback;
  uint8_t shortHeaderCidLength;  ///< 1..20, or kCidLengthLearned
  UpstreamLevel upstreamLevel;
  uint32_t workers;
  uint32_t batch;  ///< datagrams per receive or send call
  uint32_t receiveBufferBytes;
  uint32_t sendBufferBytes;
  uint32_t idleTimeoutMs;
  uint32_t upstreamSocketMax;  ///< of all workers together
  uint64_t flowMemoryBytes;    ///< of all workers together
  uint8_t hashKey[16];         ///< SipHash key that all proxies of one QuicProxy share
  uint32_t endpointCount;
  uint32_t endpointOffset;
  uint32_t backendCount;
  uint32_t backendOffset;
  uint32_t quicLbCount;
  uint32_t quicLbOffset;
  uint32_t serverIdCount;
  uint32_t serverIdOffset;
  uint32_t newFlowsPerSecond;  ///< of each worker
  uint32_t sampleOneIn;        ///< connections; 0: none is sampled
  uint16_t upstreamPortFirst;  ///< source ports toward backends, where the upstream level chooses them
  uint16_t upstreamPortLast;
  uint32_t reserved;
};
static_assert(sizeof(ContractHeader) == 120);

inline constexpr uint8_t kEndpointOptional = 1;  ///< skip it where the host has no such address family

struct EndpointRecord {
  uint8_t address[16];  ///< network order; IPv4 in the first 4 octets
  uint16_t port;        ///< host order
  uint8_t family;       ///< 4 or 6
  uint8_t flags;
  uint16_t listener;  ///< index in spec.listeners, for messages
  uint16_t reserved;
};
static_assert(sizeof(EndpointRecord) == 24);

struct BackendRecord {
  uint8_t address[16];
  uint16_t port;
  uint8_t family;
  uint8_t reserved;
  uint32_t weight;  ///< in sixteenths of a manifest's; 0: keeps its flows, gets no new one
};
static_assert(sizeof(BackendRecord) == 24);

/// A live config of draft-ietf-quic-load-balancers.
struct QuicLbRecord {
  uint8_t rotation;        ///< 0..6, unique in the list
  uint8_t serverIdLength;  ///< 1..15
  uint8_t nonceLength;     ///< 4..18, with the server ID at most 19
  uint8_t encrypted;       ///< 1: key is an AES-128 key; 0: plain text, key is zero
  uint32_t reserved;
  uint8_t key[16];
};
static_assert(sizeof(QuicLbRecord) == 24);

/// What one backend is called in the Connection IDs of one config.
struct ServerIdRecord {
  uint32_t backend;  ///< index of the backend record
  uint8_t rotation;  ///< of a QuicLbRecord
  uint8_t length;    ///< that config's serverIdLength
  uint16_t reserved;
  uint8_t octets[16];  ///< zero behind `length`
};
static_assert(sizeof(ServerIdRecord) == 24);

inline constexpr uint32_t kMaxWorkers = 64;
inline constexpr uint32_t kMaxBatch = 1024;
inline constexpr uint32_t kMaxEndpoints = 64;
inline constexpr uint32_t kMaxBackends = 16384;
inline constexpr uint32_t kMaxQuicLbConfigs = 7;
inline constexpr uint32_t kMaxServerIds = kMaxBackends * kMaxQuicLbConfigs;

}  // namespace quicproxy
