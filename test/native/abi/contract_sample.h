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
    fillHeader();
  }

  [[nodiscard]] std::vector<uint8_t> bytes() const {
    std::vector<uint8_t> out(header.totalBytes);
    std::memcpy(out.data(), &header, sizeof header);
    write(out, header.endpointOffset, endpoints);
    write(out, header.backendOffset, backends);
    return out;
  }

 private:
  template <typename Record>
  static void write(std::vector<uint8_t>& out, uint32_t offset, const std::vector<Record>& records) {
    // An empty list may be a null pointer, which memcpy must not be given.
    if (!records.empty()) std::memcpy(out.data() + offset, records.data(), records.size() * sizeof(Record));
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
    header.flowMemoryBytes = 64 << 20;
    for (uint8_t i = 0; i < 16; ++i) header.hashKey[i] = i;
    header.endpointCount = static_cast<uint32_t>(endpoints.size());
    header.endpointOffset = sizeof(ContractHeader);
    header.backendCount = static_cast<uint32_t>(backends.size());
    header.backendOffset = static_cast<uint32_t>(sizeof(ContractHeader) + endpoints.size() * sizeof(EndpointRecord));
    header.totalBytes = static_cast<uint32_t>(header.backendOffset + backends.size() * sizeof(BackendRecord));
  }
};

}  // namespace quicproxy
