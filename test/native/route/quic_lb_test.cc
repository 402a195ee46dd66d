#include "route/quic_lb.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "route/server_ids.h"

namespace quicproxy {
namespace {

std::vector<uint8_t> octetsOf(const std::string& hex) {
  std::vector<uint8_t> octets;
  for (size_t i = 0; i < hex.size(); i += 2) {
    octets.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return octets;
}

ServerId serverOf(const std::vector<uint8_t>& octets) {
  ServerId server;
  server.length = static_cast<uint8_t>(octets.size());
  std::copy(octets.begin(), octets.end(), server.octets.begin());
  return server;
}

const std::vector<uint8_t> kKey = octetsOf("8f95f09245765f80256934e50c66207f");

struct Vector {
  const char* key;
  const char* server;
  const char* nonce;
  const char* cid;
};

// draft-ietf-quic-load-balancers, "Load Balancer Test Vectors"; the row of rotation 3 with the first octet that its
// rotation has (the draft prints 0x12), the plain-text rows with nonces of whole octets.
const Vector kVectors[] = {
    {nullptr, "c4605e", "4504cc4f", "07c4605e4504cc4f"},
    {nullptr, "ed793a", "8049718a", "07ed793a8049718a"},
    {nullptr, "ed793a51d49b8f5f", "ee15da27c4", "2ded793a51d49b8f5fee15da27c4"},
    {"8f95f09245765f80256934e50c66207f", "ed793a", "ee080dbf", "0720b1d07b359d3c"},
    {"8f95f09245765f80256934e50c66207f", "ed793a51d49b8f5fab65", "ee080dbf48", "2fcc381bc74cb4fbad2823a3d1f8fed2"},
    {"8f95f09245765f80256934e50c66207f", "ed793a51d49b8f5f", "ee080dbf48c0d1e5", "504dd2d05a7b0de9b2b9907afb5ecf8cc3"},
    {"8f95f09245765f80256934e50c66207f", "ed793a51d49b8f5fab", "ee080dbf48c0d1e55d",
     "725779c9cc86beb3a3a4a3ca96fce4bfe0cdbc"},
    {"fdf726a9893ec05c0632d3956680baf0", "31441a", "9c69c275", "0767947d29be054a"},
};

TEST(QuicLb, DecodesAndEncodesTheVectorsOfTheDraft) {
  for (const Vector& vector : kVectors) {
    const auto server = octetsOf(vector.server);
    const auto nonce = octetsOf(vector.nonce);
    const auto cid = octetsOf(vector.cid);
    const auto key = octetsOf(vector.key == nullptr ? "" : vector.key);
    const QuicLbConfig config(static_cast<uint8_t>(server.size()), static_cast<uint8_t>(nonce.size()),
                              key.empty() ? nullptr : key.data());
    ASSERT_EQ(config.cidLength(), cid.size());
    EXPECT_EQ(config.decode(cid), serverOf(server)) << vector.cid;
    const auto made = config.encode(serverOf(server), nonce, cid[0]);
    EXPECT_TRUE(std::equal(cid.begin(), cid.end(), made.begin())) << vector.cid;
  }
}

TEST(QuicLb, DoesNotDecodeFourPassIdsOfEarlierDraftsAsTheSameServer) {
  const QuicLbConfig config(3, 4, kKey.data());
  for (const char* earlier : {"074126ee38bf5454", "07fbfe05f731b425"}) {
    EXPECT_NE(config.decode(octetsOf(earlier)), serverOf(octetsOf("ed793a")));
  }
}

TEST(QuicLb, RoundTripsEveryLegalPairOfLengths) {
  std::mt19937 random(7);
  int pairs = 0;
  for (uint8_t serverLength = 1; serverLength <= 15; serverLength++) {
    for (uint8_t nonceLength = 4; serverLength + nonceLength <= 19; nonceLength++) {
      pairs++;
      for (const uint8_t* key : {static_cast<const uint8_t*>(nullptr), kKey.data()}) {
        const QuicLbConfig config(serverLength, nonceLength, key);
        for (int i = 0; i < 500; i++) {
          std::vector<uint8_t> server(serverLength);
          std::vector<uint8_t> nonce(nonceLength);
          for (uint8_t& octet : server) octet = static_cast<uint8_t>(random());
          for (uint8_t& octet : nonce) octet = static_cast<uint8_t>(random());
          const auto made = config.encode(serverOf(server), nonce, 0x40);
          // Exactly as long as needed, at the end of a heap block: a read beyond it is seen by the sanitizer.
          const std::vector<uint8_t> exact(made.begin(), made.begin() + static_cast<ptrdiff_t>(config.cidLength()));
          ASSERT_EQ(config.decode(exact), serverOf(server)) << int{serverLength} << "+" << int{nonceLength};
          std::vector<uint8_t> longer = exact;
          longer.resize(exact.size() + static_cast<size_t>(i), 0xee);
          ASSERT_EQ(config.decode(longer), serverOf(server));
        }
      }
    }
  }
  EXPECT_EQ(pairs, 120);
}

TEST(QuicLb, EncryptionHidesTheServerId) {
  for (const uint8_t nonceLength : {uint8_t{4}, uint8_t{8}, uint8_t{13}}) {
    const QuicLbConfig config(8, static_cast<uint8_t>(nonceLength > 11 ? 11 : nonceLength), kKey.data());
    const ServerId server = serverOf(octetsOf("ed793a51d49b8f5f"));
    std::vector<uint8_t> nonce(config.nonceLength());
    const auto one = config.encode(server, nonce, 0);
    nonce[0] = 1;
    const auto two = config.encode(server, nonce, 0);
    EXPECT_FALSE(std::equal(one.begin() + 1, one.begin() + 9, two.begin() + 1));
  }
}

TEST(ServerIds, FindsEachOfTenThousandAndNothingElse) {
  std::vector<std::pair<ServerId, uint16_t>> servers;
  for (uint16_t i = 0; i < 10000; i++) {
    // Consecutive numbers in the last octets: what a hash without mixing would pile up.
    servers.emplace_back(serverOf({0, 0, 0, 0, 0, 0, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)}), i);
  }
  const ServerIds ids(servers, {7, 8});
  for (const auto& [server, slot] : servers) ASSERT_EQ(ids.find(server), slot);
  for (uint8_t i = 0; i < 200; i++) EXPECT_FALSE(ids.find(serverOf({1, 0, 0, 0, 0, 0, 0, i})));
  EXPECT_FALSE(ServerIds().find(servers[0].first));
}

}  // namespace
}  // namespace quicproxy
