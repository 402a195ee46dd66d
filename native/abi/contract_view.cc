#include "abi/contract_view.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <initializer_list>
#include <limits>

namespace quicproxy {

static_assert(std::endian::native == std::endian::little, "the contract is little endian");

namespace {

constexpr uint32_t kRecordAlignment = 8;
constexpr uint32_t kMaxSocketBufferBytes = std::numeric_limits<int32_t>::max();

struct Rule {
  bool holds;
  const char* error;
};

const char* firstBroken(std::initializer_list<Rule> rules) {
  const auto* broken = std::find_if(rules.begin(), rules.end(), [](const Rule& rule) { return !rule.holds; });
  return broken == rules.end() ? nullptr : broken->error;
}

bool isWithin(uint64_t value, uint64_t low, uint64_t high) { return value >= low && value <= high; }

template <typename Record>
Record copyRecord(std::span<const uint8_t> buffer, uint32_t offset, uint32_t index) {
  Record record;
  std::memcpy(&record, buffer.data() + offset + size_t{index} * sizeof(Record), sizeof(Record));
  return record;
}

bool isKnown(Mode mode) { return mode <= Mode::kDecoupled; }

bool isKnown(Fallback fallback) { return fallback == Fallback::kFourTuple || fallback == Fallback::kConnectionId; }

bool isCidLength(uint8_t length) {
  return length == kCidLengthLearned || isWithin(length, 1, ContractView::kMaxCidLength);
}

bool isKeySet(const ContractHeader& header) {
  return std::any_of(std::begin(header.hashKey), std::end(header.hashKey), [](uint8_t octet) { return octet != 0; });
}

const char* checkFrame(const ContractHeader& header, size_t bufferBytes) {
  return firstBroken({
      {header.magic == kContractMagic, "magic: not a contract"},
      {header.version == kContractVersion, "version: not the one of this build"},
      {header.headerBytes == sizeof(ContractHeader), "headerBytes: must be 120"},
      {header.totalBytes == bufferBytes, "totalBytes: must be the size of the buffer"},
  });
}

const char* checkSettings(const ContractHeader& header) {
  return firstBroken({
      {header.generation != 0, "generation: must be above 0"},
      {isKnown(header.mode), "mode: must be 0 (RunToCompletion), 1 (Baseline) or 2 (Decoupled)"},
      {isKnown(header.fallback), "fallback: must be 0 (FourTuple) or 1 (ConnectionID)"},
      {isCidLength(header.shortHeaderCidLength), "shortHeaderCidLength: must be 1..20 or 255 (learned)"},
      {header.reserved == 0, "reserved: must be 0"},
      {header.upstreamLevel <= UpstreamLevel::kSockets, "upstreamLevel: must be 0 (Auto) or 1 (Sockets)"},
      {header.upstreamPortFirst != 0, "upstreamPortFirst: must be above 0"},
      {header.upstreamPortFirst <= header.upstreamPortLast, "upstreamPortLast: must not be below upstreamPortFirst"},
      {isWithin(header.workers, 1, kMaxWorkers), "workers: must be 1..64"},
      {isWithin(header.batch, 1, kMaxBatch), "batch: must be 1..1024"},
      {isWithin(header.receiveBufferBytes, 1, kMaxSocketBufferBytes), "receiveBufferBytes: must be 1..2^31-1"},
      {isWithin(header.sendBufferBytes, 1, kMaxSocketBufferBytes), "sendBufferBytes: must be 1..2^31-1"},
      {isWithin(header.idleTimeoutMs, 1, ContractView::kMaxIdleTimeoutMs), "idleTimeoutMs: must be 1..2^30"},
      {header.upstreamSocketMax != 0, "upstreamSocketMax: must be above 0"},
      {header.flowMemoryBytes != 0, "flowMemoryBytes: must be above 0"},
      {header.newFlowsPerSecond != 0, "newFlowsPerSecond: must be above 0"},
      {isKeySet(header), "hashKey: must not be all zero"},
  });
}

bool isInside(const ContractHeader& header, uint32_t offset, uint64_t bytes) {
  return offset >= sizeof(ContractHeader) && offset + bytes <= header.totalBytes;
}

const char* checkTables(const ContractHeader& header) {
  const uint64_t endpointBytes = uint64_t{header.endpointCount} * sizeof(EndpointRecord);
  const uint64_t backendBytes = uint64_t{header.backendCount} * sizeof(BackendRecord);
  const uint64_t quicLbBytes = uint64_t{header.quicLbCount} * sizeof(QuicLbRecord);
  const uint64_t serverIdBytes = uint64_t{header.serverIdCount} * sizeof(ServerIdRecord);
  return firstBroken({
      {isWithin(header.endpointCount, 1, kMaxEndpoints), "endpointCount: must be 1..64"},
      {header.endpointOffset % kRecordAlignment == 0, "endpointOffset: must be a multiple of 8"},
      {isInside(header, header.endpointOffset, endpointBytes), "endpointOffset: records leave the buffer"},
      {header.backendCount <= kMaxBackends, "backendCount: must be 0..16384"},
      {header.backendOffset % kRecordAlignment == 0, "backendOffset: must be a multiple of 8"},
      {isInside(header, header.backendOffset, backendBytes), "backendOffset: records leave the buffer"},
      {header.quicLbCount <= kMaxQuicLbConfigs, "quicLbCount: must be 0..7"},
      {header.quicLbOffset % kRecordAlignment == 0, "quicLbOffset: must be a multiple of 8"},
      {isInside(header, header.quicLbOffset, quicLbBytes), "quicLbOffset: records leave the buffer"},
      {header.serverIdCount <= kMaxServerIds, "serverIdCount: must be 0..114688"},
      {header.serverIdOffset % kRecordAlignment == 0, "serverIdOffset: must be a multiple of 8"},
      {isInside(header, header.serverIdOffset, serverIdBytes), "serverIdOffset: records leave the buffer"},
  });
}

/// One address has one spelling: it is compared and hashed as 16 octets.
bool isCanonical(uint8_t family, std::span<const uint8_t, 16> address) {
  return family == 6 || std::all_of(address.begin() + 4, address.end(), [](uint8_t octet) { return octet == 0; });
}

const char* checkEndpoint(const EndpointRecord& record) {
  return firstBroken({
      {record.family == 4 || record.family == 6, "endpoint.family: must be 4 or 6"},
      {isCanonical(record.family, record.address), "endpoint.address: octets after an IPv4 address must be 0"},
      {record.port != 0, "endpoint.port: must be 1..65535"},
      {(record.flags & ~kEndpointOptional) == 0, "endpoint.flags: unknown flag"},
      {record.reserved == 0, "endpoint.reserved: must be 0"},
  });
}

const char* checkBackend(const BackendRecord& record) {
  return firstBroken({
      {record.family == 4 || record.family == 6, "backend.family: must be 4 or 6"},
      {isCanonical(record.family, record.address), "backend.address: octets after an IPv4 address must be 0"},
      {record.port != 0, "backend.port: must be 1..65535"},
      {record.reserved == 0, "backend.reserved: must be 0"},
  });
}

bool isZeroFrom(std::span<const uint8_t> octets, size_t first) {
  return std::all_of(octets.begin() + static_cast<ptrdiff_t>(first), octets.end(), [](uint8_t o) { return o == 0; });
}

const char* checkQuicLb(const QuicLbRecord& record, uint32_t rotationsSeen) {
  return firstBroken({
      {record.rotation < kMaxQuicLbConfigs, "quicLb.rotation: must be 0..6"},
      {(rotationsSeen >> (record.rotation % 32) & 1) == 0, "quicLb.rotation: must be unique"},
      {isWithin(record.serverIdLength, 1, 15), "quicLb.serverIdLength: must be 1..15"},
      {isWithin(record.nonceLength, 4, 18), "quicLb.nonceLength: must be 4..18"},
      {record.serverIdLength + record.nonceLength <= 19, "quicLb: server ID and nonce must be 19 octets at most"},
      {record.encrypted <= 1, "quicLb.encrypted: must be 0 or 1"},
      {record.encrypted == 1 || isZeroFrom(record.key, 0), "quicLb.key: must be zero without encryption"},
      {record.reserved == 0, "quicLb.reserved: must be 0"},
  });
}

using IdLengths = std::array<uint8_t, kMaxQuicLbConfigs>;

const char* checkServerId(const ServerIdRecord& record, uint32_t backendCount, const IdLengths& lengths) {
  const bool known = record.rotation < lengths.size() && lengths[record.rotation] != 0;
  return firstBroken({
      {record.backend < backendCount, "serverId.backend: no such backend"},
      {known, "serverId.rotation: no such config"},
      {known && record.length == lengths[record.rotation], "serverId.length: must be the config's serverIdLength"},
      {!known || isZeroFrom(record.octets, lengths[record.rotation]), "serverId.octets: must be 0 behind the ID"},
      {record.reserved == 0, "serverId.reserved: must be 0"},
  });
}

ParsedContract checkRouting(const ContractView& view) {
  IdLengths lengths{};
  uint32_t rotationsSeen = 0;
  for (uint32_t i = 0; i < view.quicLbCount(); ++i) {
    const QuicLbRecord record = view.quicLb(i);
    if (const char* error = checkQuicLb(record, rotationsSeen)) return {.view = {}, .error = error, .index = i};
    rotationsSeen |= uint32_t{1} << record.rotation;
    lengths[record.rotation] = record.serverIdLength;
  }
  for (uint32_t i = 0; i < view.serverIdCount(); ++i) {
    const char* error = checkServerId(view.serverId(i), view.backendCount(), lengths);
    if (error != nullptr) return {.view = {}, .error = error, .index = i};
  }
  return {.view = view};
}

ParsedContract checkRecords(const ContractView& view) {
  for (uint32_t i = 0; i < view.endpointCount(); ++i) {
    if (const char* error = checkEndpoint(view.endpoint(i))) return {.view = {}, .error = error, .index = i};
  }
  for (uint32_t i = 0; i < view.backendCount(); ++i) {
    if (const char* error = checkBackend(view.backend(i))) return {.view = {}, .error = error, .index = i};
  }
  return checkRouting(view);
}

}  // namespace

ParsedContract ContractView::parse(std::span<const uint8_t> buffer) noexcept {
  ContractView view;
  view.buffer_ = buffer;
  if (buffer.size() < sizeof(ContractHeader)) return {.view = {}, .error = "totalBytes: shorter than a header"};
  std::memcpy(&view.header_, buffer.data(), sizeof(ContractHeader));
  for (const char* error :
       {checkFrame(view.header_, buffer.size()), checkSettings(view.header_), checkTables(view.header_)}) {
    if (error != nullptr) return {.view = {}, .error = error};
  }
  return checkRecords(view);
}

EndpointRecord ContractView::endpoint(uint32_t index) const {
  return copyRecord<EndpointRecord>(buffer_, header_.endpointOffset, index);
}

QuicLbRecord ContractView::quicLb(uint32_t index) const {
  return copyRecord<QuicLbRecord>(buffer_, header_.quicLbOffset, index);
}

ServerIdRecord ContractView::serverId(uint32_t index) const {
  return copyRecord<ServerIdRecord>(buffer_, header_.serverIdOffset, index);
}

BackendRecord ContractView::backend(uint32_t index) const {
  return copyRecord<BackendRecord>(buffer_, header_.backendOffset, index);
}

}  // namespace quicproxy
