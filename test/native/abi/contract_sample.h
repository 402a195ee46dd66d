#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "abi/contract.h"

namespace quicproxy {

/// A sound contract to be spoilt field by field.
struct ContractSample {
  ContractHeader header{};
  std::vector<EndpointRecord> endpoints;
  std::vector<BackendRecord> backends;
  std::vector<QuicLbRecord> quicLb;
  std::vector<ServerIdRecord> serverIds;

  ContractSample(uint32_t endpointCount, uint32_t backendCount) {
    for (uint32_t i = 0; i < endpointCount; ++i) {
      endpoints.push_back({.address = {127, 0, 0, uint8_t(i + 1)},
                           .port = 443,
                           .family = 4,
                           .flags = kEndpointOptional,
                           .listener = 0,
                           .reserved = 0});
    }
    for (uint32_t i = 0; i < backendCount; ++i) {
      const uint8_t family = i % 2 == 0 ? 4 : 6;
      backends.push_back({.address = {10, 0, uint8_t(i >> 8), uint8_t(i)},
                          .port = 4433,
                          .family = family,
                          .reserved = 0,
                          .weight = i});
    }
    if (backendCount > 1) addQuicLb();
    fillHeader();
  }

  [[nodiscard]] std::vector<uint8_t> bytes() const {
    std::vector<uint8_t> out(header.totalBytes);
    std::memcpy(out.data(), &header, sizeof header);
    copyRecords(out, header.endpointOffset, endpoints);
    copyRecords(out, header.backendOffset, backends);
    copyRecords(out, header.quicLbOffset, quicLb);
    copyRecords(out, header.serverIdOffset, serverIds);
    return out;
  }

  /// Counts, offsets and total for the present records.
  void layOut() {
    const auto place = [this](uint32_t& count, uint32_t& offset, size_t records, size_t recordBytes) {
      count = static_cast<uint32_t>(records);
      offset = header.totalBytes;
      header.totalBytes += static_cast<uint32_t>(records * recordBytes);
    };
    header.totalBytes = sizeof(ContractHeader);
    place(header.endpointCount, header.endpointOffset, endpoints.size(), sizeof(EndpointRecord));
    place(header.backendCount, header.backendOffset, backends.size(), sizeof(BackendRecord));
    place(header.quicLbCount, header.quicLbOffset, quicLb.size(), sizeof(QuicLbRecord));
    place(header.serverIdCount, header.serverIdOffset, serverIds.size(), sizeof(ServerIdRecord));
  }

 private:
  template <typename Record>
  static void copyRecords(std::vector<uint8_t>& out, uint32_t offset, const std::vector<Record>& records) {
    // memcpy must not be given the null pointer of an empty list.
    if (!records.empty()) std::memcpy(out.data() + offset, records.data(), records.size() * sizeof(Record));
  }

  /// A plain-text config and an encrypted one, a server ID in each.
  void addQuicLb() {
    quicLb = {{.rotation = 0, .serverIdLength = 3, .nonceLength = 4, .encrypted = 0, .reserved = 0, .key = {}},
              {.rotation = 2, .serverIdLength = 3, .nonceLength = 13, .encrypted = 1, .reserved = 0, .key = {9}}};
    serverIds = {{.backend = 0, .rotation = 0, .length = 3, .reserved = 0, .octets = {1, 2, 3}},
                 {.backend = 1, .rotation = 2, .length = 3, .reserved = 0, .octets = {4, 5, 6}}};
  }

  void fillHeader() {
    header.magic = kContractMagic;
    header.version = kContractVersion;
    header.headerBytes = sizeof(ContractHeader);
    header.generation = 7;
    header.mode = Mode::kRunToCompletion;
    header.fallback = Fallback::kConnectionId;
    header.shortHeaderCidLength = kCidLengthLearned;
    header.workers = 2;
    header.batch = 64;
    header.receiveBufferBytes = 8 << 20;
    header.sendBufferBytes = 4 << 20;
    header.idleTimeoutMs = 120000;
    header.upstreamSocketMax = 1000;
    header.upstreamPortFirst = 10240;
    header.upstreamPortLast = 29999;
    header.flowMemoryBytes = 64 << 20;
    header.newFlowsPerSecond = 20000;
    header.sampleOneIn = 10000;
    for (uint8_t i = 0; i < 16; ++i) header.hashKey[i] = i;
    layOut();
  }
};

}  // namespace quicproxy
