#include <gtest/gtest.h>

#include <cstdio>
#include <random>
#include <set>

#include "routable_workers.h"

namespace quicproxy {
namespace {

/* What hostile clients can do to routing, by the ids of the list of demands. Numbers are bounded for a short run. */

std::vector<uint8_t> randomCid(std::mt19937& random, size_t length) {
  std::vector<uint8_t> cid(length);
  for (uint8_t& octet : cid) octet = static_cast<uint8_t>(random());
  return cid;
}

FourTuple spoofed(std::mt19937& random) {
  FourTuple tuple = tupleOf(0, static_cast<uint16_t>(1 + random() % 65535));
  for (size_t i = 10; i < 16; i++) tuple.remote[i] = static_cast<uint8_t>(random());
  return tuple;
}

/// Keys that collide under a hash that adds or xors: equal words in another order, equal sums.
std::vector<uint8_t> collidingCid(uint32_t n) {
  std::vector<uint8_t> cid(16);
  for (size_t i = 0; i < 4; i++) {
    cid[i] = static_cast<uint8_t>(n >> (8 * i));
    cid[4 + i] = static_cast<uint8_t>(~(n >> (8 * i)));
    cid[8 + i] = cid[i];
    cid[12 + i] = cid[4 + i];
  }
  return cid;
}

double loadAtFirstRefusal(const std::vector<Digest128>& keys) {
  constexpr uint32_t kPlaces = 1 << 17;
  std::vector<std::byte> memory(IndexTable::bytesFor(kPlaces) + IndexTable::kAlignment);
  void* start = memory.data();
  size_t room = memory.size();
  std::align(IndexTable::kAlignment, IndexTable::bytesFor(kPlaces), start, room);
  auto table = IndexTable::create({static_cast<std::byte*>(start), room}, kPlaces);
  for (const Digest128& key : keys) {
    if (table->insert(key, 1, 0, 1000).outcome == IndexTable::Outcome::kFull) break;
  }
  return static_cast<double>(table->occupied()) / table->capacity();
}

TEST(Safety, S3_KeysThatCollideUnkeyedFillTheTableLikeRandomOnes) {
  // A look-up reads two buckets whatever the keys are; what a flood could do is to fill some of them early.
  std::mt19937 random(3);
  const SipKey key{random(), random()};
  std::vector<Digest128> hostile;
  std::vector<Digest128> honest;
  for (uint32_t n = 0; n < 1 << 17; n++) {
    hostile.push_back(sipHash128(key, collidingCid(n)));
    honest.push_back(sipHash128(key, randomCid(random, 16)));
  }
  const double worst = loadAtFirstRefusal(hostile);
  const double usual = loadAtFirstRefusal(honest);
  std::printf("S3: %u colliding keys, first refusal at %.1f %% load, random ones at %.1f %%\n", 1U << 17, 100 * worst,
              100 * usual);
  EXPECT_GE(worst, 0.95 * usual);
}

/// The forward path's way to make room: of the flows that nobody confirmed the oldest goes.
Decision admit(TwoWorkers& proxy, const FourTuple& tuple, const std::vector<uint8_t>& datagram) {
  FlowTable& table = proxy.table(0);
  if (proxy.decide(0, tuple, datagram).flow == kNoFlow && table.full()) {
    const uint32_t oldest = table.oldestEvictable();
    if (oldest == kNoFlow) return {};
    table.remove(oldest);
  }
  return proxy.send(0, tuple, datagram);
}

TEST(Safety, S4_AFloodOfSpoofedInitialsThatAreAnsweredTakesNothingFromConfirmedFlows) {
  constexpr uint32_t kFlows = 2000;
  constexpr uint32_t kHonestBefore = 500;
  std::mt19937 random(4);
  TwoWorkers proxy(3, kFlows);
  std::vector<uint32_t> honest;
  for (uint32_t n = 0; n < kHonestBefore; n++) {
    const Decision first = admit(proxy, tupleOf(1, static_cast<uint16_t>(1 + n)), longHeader(cidOf(1), cidOf(2)));
    const auto cid = randomCid(random, 12);
    proxy.reply(0, first.flow, longHeader(cidOf(2), cid));
    admit(proxy, tupleOf(1, static_cast<uint16_t>(1 + n)), shortHeader(cid));
    honest.push_back(first.flow);
  }
  uint32_t served = 0;
  uint32_t asked = 0;
  for (uint32_t n = 0; n < 10 * kFlows; n++) {
    const auto scid = randomCid(random, 8);
    const Decision stranger = admit(proxy, spoofed(random), longHeader(randomCid(random, 8), scid));
    // Half of the backends answer strangers, as real servers do.
    if (n % 2 == 0) proxy.reply(0, stranger.flow, longHeader(scid, randomCid(random, 12)));
    if (n % 100 != 0) continue;
    asked++;
    const FourTuple tuple = tupleOf(2, static_cast<uint16_t>(1 + n / 100));
    const Decision fresh = admit(proxy, tuple, longHeader(cidOf(3), cidOf(4)));
    if (fresh.rule == Rule::kNone) continue;
    // Its answer comes a hundred spoofed datagrams later.
    for (uint32_t i = 0; i < 100; i++) admit(proxy, spoofed(random), longHeader(randomCid(random, 8), {}));
    if (proxy.decide(0, tuple, longHeader(cidOf(3), cidOf(4))).flow != fresh.flow) continue;
    const auto cid = randomCid(random, 12);
    proxy.reply(0, fresh.flow, longHeader(cidOf(4), cid));
    admit(proxy, tuple, shortHeader(cid));
    // Its ID leads to its backend from another address.
    served += proxy.decide(0, tupleOf(3, 1), shortHeader(cid)).backendSlot == fresh.backendSlot ? 1U : 0U;
  }
  uint32_t alive = 0;
  for (uint32_t n = 0; n < kHonestBefore; n++) {
    const auto tuple = tupleOf(1, static_cast<uint16_t>(1 + n));
    alive += proxy.decide(0, tuple, longHeader(cidOf(1), cidOf(2))).flow == honest[n] ? 1U : 0U;
  }
  std::printf("S4: %u spoofed Initials at %u places: %u of %u confirmed flows live, %u of %u new ones served\n",
              10 * kFlows + 100 * asked, kFlows, alive, kHonestBefore, served, asked);
  EXPECT_EQ(alive, kHonestBefore);
  EXPECT_EQ(served, asked);
  EXPECT_LE(proxy.table(0).liveCount(), kFlows);
}

TEST(Safety, S5_AReplayedIdOnAnotherPathLeavesTheVictimsFlowAlone) {
  std::mt19937 random(5);
  TwoWorkers proxy(3, 4096);
  const FourTuple victim = tupleOf(1, 1);
  const Decision first = proxy.send(0, victim, longHeader(cidOf(0xe1), cidOf(2)));
  const auto cid = randomCid(random, 12);
  proxy.reply(0, first.flow, longHeader(cidOf(2), cid));
  for (uint32_t n = 0; n < 1000; n++) {
    const Decision attack = proxy.send(n % 2, spoofed(random), shortHeader(cid));
    ASSERT_NE(attack.flow, n % 2 == 0 ? first.flow : kNoFlow) << "a path of its own";
    const Decision still = proxy.send(0, victim, shortHeader(cid));
    ASSERT_EQ(still.flow, first.flow);
    ASSERT_EQ(still.backendSlot, first.backendSlot);
  }
}

TEST(Safety, S6_OneIdLeadsToOneBackendFromEveryAddressOnEveryWorkerAcrossReloads) {
  std::mt19937 random(6);
  RoutableWorkers proxy(64);
  const FourTuple client = tupleOf(1, 1);
  const Decision first = proxy.send(0, client, longHeader(cidOf(0xe1), cidOf(2)));
  const auto learned = randomCid(random, 12);
  auto plain = learned;
  plain[0] = 0xff;  // not routable: found in the table or nowhere
  proxy.reply(0, first.flow, longHeader(cidOf(2), plain));
  const auto routable = proxy.cid(1, 1, 9);
  constexpr uint32_t kTuples = 100'000;
  for (uint32_t n = 0; n < kTuples; n++) {
    if (n % 10'000 == 5'000) proxy.rebuild({1 + n % 7, 1 + n % 3, 1});
    const FourTuple tuple = spoofed(random);
    ASSERT_EQ(proxy.decide(n % 2, tuple, shortHeader(plain)).backendSlot, first.backendSlot) << n;
    ASSERT_EQ(proxy.decide(n % 2, tuple, shortHeader(routable)).backendSlot, 1) << n;
  }
  std::printf("S6: 0 of %u look-ups of a learned and of a routable ID deviate\n", 2 * kTuples);
}

TEST(Safety, S7_RandomIdsSpreadAsChanceWouldAndAreCountedForWhatTheyAre) {
  constexpr uint32_t kPackets = 1'000'000;
  constexpr uint16_t kBackends = 3;
  std::mt19937 random(7);
  RoutableWorkers proxy;
  uint64_t backends[kBackends] = {};
  uint64_t outcomes[5] = {};
  for (uint32_t n = 0; n < kPackets; n++) {
    const size_t length = random() % 21;
    const Decision decision = proxy.decide(0, spoofed(random), longHeader(randomCid(random, length), cidOf(2)));
    outcomes[static_cast<size_t>(decision.quicLb)]++;
    if (decision.rule == Rule::kFallback) backends[decision.backendSlot]++;
  }
  const double due = static_cast<double>(backends[0] + backends[1] + backends[2]) / kBackends;
  double chiSquare = 0;
  for (const uint64_t count : backends) {
    const double off = static_cast<double>(count) - due;
    chiSquare += off * off / due;
  }
  std::printf("S7: %u random IDs, chi-square %.2f with 2 degrees of freedom\n", kPackets, chiSquare);
  EXPECT_LT(chiSquare, 9.21) << "p > 0.01";
  using Outcome = QuicLbRouting::Outcome;
  EXPECT_EQ(outcomes[static_cast<size_t>(Outcome::kOff)], 0U);
  EXPECT_GT(outcomes[static_cast<size_t>(Outcome::kNoConfig)], kPackets / 2);
  EXPECT_GT(outcomes[static_cast<size_t>(Outcome::kTooShort)], kPackets / 20);
  EXPECT_GT(outcomes[static_cast<size_t>(Outcome::kUnknownServer)], kPackets / 20);
  EXPECT_LT(outcomes[static_cast<size_t>(Outcome::kRouted)], 20U) << "3 of 2^24 in plain text, by chance";
}

TEST(Safety, S8_EveryTruncationOfEveryPacketTypeIsRouted) {
  RoutableWorkers proxy(4096);
  proxy.reply(0, proxy.send(0, tupleOf(1, 1), longHeader(cidOf(0xe1), cidOf(2))).flow, longHeader({}, cidOf(0xf0)));
  std::vector<std::vector<uint8_t>> whole;
  for (const uint8_t type : {0xc0, 0xd0, 0xe0, 0xf0}) {
    for (const auto& dcid :
         {proxy.cid(0, 1, 1), proxy.cid(1, 1, 1), proxy.cid(2, 1, 1), cidOf(0xf0), cidOf(0xe9, 255)}) {
      whole.push_back(longHeader(dcid, cidOf(3, 20)));
      whole.back()[0] = type;
      whole.push_back(longHeader(dcid, cidOf(3, 20), 0));
    }
  }
  for (const auto& dcid : {proxy.cid(1, 1, 1), proxy.cid(2, 1, 1), cidOf(0xf0)}) whole.push_back(shortHeader(dcid));
  uint32_t seen = 0;
  for (auto& packet : whole) {
    packet.resize(1500, 0x55);
    for (size_t length = 0; length <= packet.size(); length++) {
      // Ends where its heap block ends, so that AddressSanitizer sees an octet read too far.
      const std::vector<uint8_t> cut(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(length));
      ASSERT_NE(proxy.decide(0, tupleOf(9, 9), cut).rule, Rule::kNone);
      seen++;
    }
  }
  const std::vector<uint8_t> huge(65'507, 0xff);
  EXPECT_EQ(proxy.decide(0, tupleOf(9, 9), huge).rule, Rule::kFallback);
  std::printf("S8: %u truncations of %zu packets\n", seen, whole.size());
}

TEST(Safety, S11_IdsOfOneTenantNeverDecodeForAnother) {
  uint8_t other[16];
  for (size_t i = 0; i < sizeof other; i++) other[i] = static_cast<uint8_t>(0x11 * i);
  const RoutableWorkers one;
  RoutableWorkers two(64, other);
  std::mt19937_64 random(11);
  const QuicLbConfig mine(8, 8, kVectorKey);
  constexpr uint32_t kIds = 200'000;
  uint32_t decoded = 0;
  for (uint32_t n = 0; n < kIds; n++) {
    uint8_t nonce[8];
    const uint64_t number = random();
    std::memcpy(nonce, &number, sizeof nonce);
    const auto cid = mine.encode(serverOf(static_cast<uint16_t>(n % 3), 8), nonce, 0x20);
    const std::vector<uint8_t> id(cid.begin(), cid.begin() + 17);
    ASSERT_EQ(one.quicLb.route(id).outcome, QuicLbRouting::Outcome::kRouted);
    decoded += two.quicLb.route(id).outcome == QuicLbRouting::Outcome::kRouted ? 1U : 0U;
  }
  std::printf("S11: %u of %u IDs of one key are routable under another\n", decoded, kIds);
  EXPECT_EQ(decoded, 0U);
}

}  // namespace
}  // namespace quicproxy
