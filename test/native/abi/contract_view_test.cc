#include "abi/contract_view.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "contract_sample.h"

namespace quicproxy {
namespace {

using Sample = ContractSample;

std::string errorOf(std::span<const uint8_t> bytes) {
  const ParsedContract parsed = ContractView::parse(bytes);
  if (parsed.error == nullptr) return "";
  EXPECT_EQ(parsed.view.endpointCount(), 0u) << "nothing to read from a contract that is not sound";
  return parsed.error;
}

/// Reads all there is; with AddressSanitizer a wrong bound shows here.
uint64_t readAll(const ContractView& view) {
  uint64_t sum = view.header().generation;
  for (uint32_t i = 0; i < view.endpointCount(); ++i) sum += view.endpoint(i).port;
  for (uint32_t i = 0; i < view.backendCount(); ++i) sum += view.backend(i).weight;
  return sum;
}

TEST(ContractView, ReadsBackWhatWasWritten) {
  const Sample sample(2, 3);
  const std::vector<uint8_t> bytes = sample.bytes();
  const ParsedContract parsed = ContractView::parse(bytes);
  ASSERT_EQ(parsed.error, nullptr) << parsed.error;
  EXPECT_EQ(parsed.view.header().generation, 7u);
  EXPECT_EQ(parsed.view.header().fallback, Fallback::kConnectionId);
  EXPECT_EQ(parsed.view.header().hashKey[15], 15);
  ASSERT_EQ(parsed.view.endpointCount(), 2u);
  EXPECT_EQ(parsed.view.endpoint(1).address[3], 2);
  EXPECT_EQ(parsed.view.endpoint(1).flags, kEndpointOptional);
  ASSERT_EQ(parsed.view.backendCount(), 3u);
  EXPECT_EQ(parsed.view.backend(2).weight, 2u);
  EXPECT_EQ(parsed.view.backend(1).family, 6);
}

TEST(ContractView, ReadsFromAnyAlignment) {
  const std::vector<uint8_t> bytes = Sample(1, 2).bytes();
  for (size_t shift = 1; shift < 8; ++shift) {
    std::vector<uint8_t> shifted(shift);
    shifted.insert(shifted.end(), bytes.begin(), bytes.end());
    const ParsedContract parsed = ContractView::parse(std::span(shifted).subspan(shift));
    ASSERT_EQ(parsed.error, nullptr);
    EXPECT_EQ(readAll(parsed.view), readAll(ContractView::parse(bytes).view));
  }
}

TEST(ContractView, TakesNoBackendAndTheMostOfEverything) {
  EXPECT_EQ(errorOf(Sample(1, 0).bytes()), "");
  EXPECT_EQ(errorOf(Sample(kMaxEndpoints, kMaxBackends).bytes()), "");
  EXPECT_EQ(errorOf(Sample(kMaxEndpoints + 1, 1).bytes()), "endpointCount: must be 1..64");
  EXPECT_EQ(errorOf(Sample(1, kMaxBackends + 1).bytes()), "backendCount: must be 0..16384");
  EXPECT_EQ(errorOf(Sample(0, 1).bytes()), "endpointCount: must be 1..64");
}

TEST(ContractView, RefusesEveryTruncationAndEveryExtension) {
  const std::vector<uint8_t> bytes = Sample(2, 3).bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    cut.shrink_to_fit();
    EXPECT_NE(errorOf(cut).find("totalBytes"), std::string::npos) << size;
  }
  for (size_t extra = 1; extra < 64; ++extra) {
    std::vector<uint8_t> longer = bytes;
    longer.resize(bytes.size() + extra);
    EXPECT_NE(errorOf(longer), "");
  }
}

// A total that is honest about a truncated buffer leaves the tables outside.
TEST(ContractView, RefusesTablesBeyondAHonestTotal) {
  const Sample sample(2, 3);
  const std::vector<uint8_t> bytes = sample.bytes();
  for (uint32_t size = sizeof(ContractHeader); size < bytes.size(); ++size) {
    std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + size);
    cut.shrink_to_fit();
    std::memcpy(cut.data() + offsetof(ContractHeader, totalBytes), &size, sizeof size);
    EXPECT_NE(errorOf(cut).find("records leave the buffer"), std::string::npos) << size;
  }
}

struct Spoilt {
  const char* error;
  std::function<void(Sample&)> spoil;
};

#define QP_HEADER(message, field, value)                                                      \
  Spoilt {                                                                                    \
    message, [](Sample& s) { s.header.field = static_cast<decltype(s.header.field)>(value); } \
  }

void expectEachIsRefused(const std::vector<Spoilt>& cases) {
  for (const Spoilt& spoilt : cases) {
    Sample sample(2, 3);
    std::vector<uint8_t> bytes = sample.bytes();
    spoilt.spoil(sample);
    std::memcpy(bytes.data(), &sample.header, sizeof sample.header);
    const std::string error = errorOf(bytes);
    EXPECT_EQ(error.substr(0, error.find(':')), spoilt.error) << error;
  }
}

TEST(ContractView, RefusesEachWrongSetting) {
  expectEachIsRefused({
      QP_HEADER("magic", magic, kContractMagic + 1),
      QP_HEADER("version", version, 0),
      QP_HEADER("version", version, 2),
      QP_HEADER("headerBytes", headerBytes, 87),
      QP_HEADER("headerBytes", headerBytes, 96),
      QP_HEADER("generation", generation, 0),
      QP_HEADER("mode", mode, 3),
      QP_HEADER("mode", mode, 255),
      QP_HEADER("fallback", fallback, 2),
      QP_HEADER("shortHeaderCidLength", shortHeaderCidLength, 0),
      QP_HEADER("shortHeaderCidLength", shortHeaderCidLength, 21),
      QP_HEADER("shortHeaderCidLength", shortHeaderCidLength, 254),
      QP_HEADER("reserved", reserved, 1),
      QP_HEADER("workers", workers, 0),
      QP_HEADER("workers", workers, kMaxWorkers + 1),
      QP_HEADER("batch", batch, 0),
      QP_HEADER("batch", batch, kMaxBatch + 1),
      QP_HEADER("receiveBufferBytes", receiveBufferBytes, 0),
      QP_HEADER("receiveBufferBytes", receiveBufferBytes, 0x80000000),
      QP_HEADER("sendBufferBytes", sendBufferBytes, 0),
      QP_HEADER("sendBufferBytes", sendBufferBytes, 0x80000000),
      QP_HEADER("idleTimeoutMs", idleTimeoutMs, 0),
      QP_HEADER("idleTimeoutMs", idleTimeoutMs, (1 << 30) + 1),
      QP_HEADER("upstreamSocketMax", upstreamSocketMax, 0),
      QP_HEADER("flowMemoryBytes", flowMemoryBytes, 0),
      {"hashKey", [](Sample& s) { std::memset(s.header.hashKey, 0, sizeof s.header.hashKey); }},
  });
}

TEST(ContractView, RefusesEachTableOutOfPlace) {
  expectEachIsRefused({
      QP_HEADER("totalBytes", totalBytes, 0),
      QP_HEADER("totalBytes", totalBytes, UINT32_MAX),
      QP_HEADER("endpointCount", endpointCount, 0),
      QP_HEADER("endpointCount", endpointCount, UINT32_MAX),
      QP_HEADER("endpointOffset", endpointOffset, 116),
      QP_HEADER("endpointOffset", endpointOffset, 0),
      QP_HEADER("endpointOffset", endpointOffset, 104),
      QP_HEADER("endpointOffset", endpointOffset, 0xfffffff8),
      QP_HEADER("backendCount", backendCount, UINT32_MAX),
      QP_HEADER("backendOffset", backendCount, 40),
      QP_HEADER("backendOffset", backendOffset, 156),
      QP_HEADER("backendOffset", backendOffset, 0),
      QP_HEADER("backendOffset", backendOffset, 272),
      QP_HEADER("backendOffset", backendOffset, 0xfffffff8),
      QP_HEADER("newFlowsPerSecond", newFlowsPerSecond, 0),
      QP_HEADER("quicLbCount", quicLbCount, 8),
      QP_HEADER("quicLbOffset", quicLbOffset, 4),
      QP_HEADER("quicLbOffset", quicLbOffset, 0xfffffff8),
      QP_HEADER("serverIdCount", serverIdCount, UINT32_MAX),
      QP_HEADER("serverIdOffset", serverIdOffset, 0),
      QP_HEADER("serverIdOffset", serverIdOffset, 0xfffffff8),
  });
}

#undef QP_HEADER

TEST(ContractView, RefusesEachWrongQuicLbConfigAndServerId) {
  const std::vector<Spoilt> cases = {
      {"quicLb.rotation", [](Sample& s) { s.quicLb[1].rotation = 7; }},
      {"quicLb.rotation", [](Sample& s) { s.quicLb[1].rotation = s.quicLb[0].rotation; }},
      {"quicLb.serverIdLength", [](Sample& s) { s.quicLb[1].serverIdLength = 0; }},
      {"quicLb.serverIdLength", [](Sample& s) { s.quicLb[1].serverIdLength = 16; }},
      {"quicLb.nonceLength", [](Sample& s) { s.quicLb[1].nonceLength = 3; }},
      {"quicLb", [](Sample& s) { s.quicLb[1].nonceLength = 17; }},
      {"quicLb.encrypted", [](Sample& s) { s.quicLb[1].encrypted = 2; }},
      {"quicLb.key", [](Sample& s) { s.quicLb[0].key[3] = 1; }},
      {"quicLb.reserved", [](Sample& s) { s.quicLb[1].reserved = 1; }},
      {"serverId.backend", [](Sample& s) { s.serverIds[1].backend = 3; }},
      {"serverId.rotation", [](Sample& s) { s.serverIds[1].rotation = 5; }},
      {"serverId.rotation", [](Sample& s) { s.serverIds[1].rotation = 200; }},
      {"serverId.length", [](Sample& s) { s.serverIds[1].length = 2; }},
      {"serverId.octets", [](Sample& s) { s.serverIds[1].octets[3] = 1; }},
      {"serverId.reserved", [](Sample& s) { s.serverIds[1].reserved = 1; }},
  };
  for (const Spoilt& spoilt : cases) {
    Sample sample(2, 3);
    spoilt.spoil(sample);
    const std::string error = errorOf(sample.bytes());
    EXPECT_EQ(error.substr(0, error.find(':')), spoilt.error) << error;
  }
}

TEST(ContractView, RefusesEachWrongEndpointAndNamesIt) {
  const std::vector<Spoilt> cases = {
      {"endpoint.family", [](Sample& s) { s.endpoints[1].family = 0; }},
      {"endpoint.family", [](Sample& s) { s.endpoints[1].family = 5; }},
      {"endpoint.address", [](Sample& s) { s.endpoints[1].address[4] = 1; }},
      {"endpoint.address", [](Sample& s) { s.endpoints[1].address[15] = 1; }},
      {"endpoint.port", [](Sample& s) { s.endpoints[1].port = 0; }},
      {"endpoint.flags", [](Sample& s) { s.endpoints[1].flags = 2; }},
      {"endpoint.reserved", [](Sample& s) { s.endpoints[1].reserved = 1; }},
      {"backend.family", [](Sample& s) { s.backends[1].family = 46; }},
      {"backend.address", [](Sample& s) { s.backends[1].family = 4, s.backends[1].address[9] = 1; }},
      {"backend.port", [](Sample& s) { s.backends[1].port = 0; }},
      {"backend.reserved", [](Sample& s) { s.backends[1].reserved = 1; }},
  };
  for (const Spoilt& spoilt : cases) {
    Sample sample(2, 3);
    spoilt.spoil(sample);
    const std::vector<uint8_t> bytes = sample.bytes();
    const std::string error = errorOf(bytes);
    EXPECT_EQ(error.substr(0, error.find(':')), spoilt.error) << error;
    EXPECT_EQ(ContractView::parse(bytes).index, 1u);
  }
}

TEST(ContractView, AnyChangeOfOneOctetIsRefusedOrReadableInFull) {
  const std::vector<uint8_t> good = Sample(2, 3).bytes();
  for (size_t at = 0; at < good.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::vector<uint8_t> bytes = good;
      bytes[at] = static_cast<uint8_t>(value);
      const ParsedContract parsed = ContractView::parse(bytes);
      if (parsed.error == nullptr) readAll(parsed.view);
    }
  }
}

TEST(ContractView, RandomChangesAreRefusedOrReadableInFull) {
  const std::vector<uint8_t> good = Sample(3, 20).bytes();
  std::mt19937 random(3);
  uint32_t sound = 0;
  constexpr uint32_t kRounds = 50000;
  for (uint32_t round = 0; round < kRounds; ++round) {
    std::vector<uint8_t> bytes = good;
    for (uint32_t changes = 1 + random() % 4; changes > 0; --changes) {
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    }
    const ParsedContract parsed = ContractView::parse(bytes);
    sound += parsed.error == nullptr ? 1 : 0;
    if (parsed.error == nullptr) readAll(parsed.view);
  }
  EXPECT_GT(sound, 0u) << "weights and addresses may be anything";
  EXPECT_LT(sound, kRounds / 2) << "most octets may not";
}

}  // namespace
}  // namespace quicproxy
