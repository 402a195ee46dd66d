#include "route/maglev.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

namespace quicproxy {
namespace {

constexpr SipKey kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};

BackendRecord recordOf(uint32_t n) {
  return {.address = {10, uint8_t(n >> 16), uint8_t(n >> 8), uint8_t(n)},
          .port = 4433,
          .family = 4,
          .reserved = 0,
          .weight = 1};
}

std::vector<MaglevBackend> fleetOf(uint32_t count, uint32_t weight = 1) {
  std::vector<MaglevBackend> fleet;
  fleet.reserve(count);
  for (uint32_t n = 0; n < count; ++n) {
    fleet.push_back({.id = backendIdOf(recordOf(n)), .weight = weight, .slot = static_cast<uint16_t>(n)});
  }
  return fleet;
}

/// Entries per slot.
std::vector<uint32_t> sharesOf(const MaglevTable& table, size_t slots) {
  std::vector<uint32_t> shares(slots);
  for (const uint16_t slot : table.entries()) ++shares.at(slot);
  return shares;
}

bool isPrime(uint32_t n) {
  for (uint32_t d = 2; d * d <= n; ++d) {
    if (n % d == 0) return false;
  }
  return n > 1;
}

TEST(Maglev, SizeIsAPrimeAndChangesSeldom) {
  std::vector<uint32_t> steps;
  for (uint32_t count = 0; count < kMaxBackends; ++count) {
    ASSERT_GE(MaglevTable::sizeFor(count), 100 * count);
    if (MaglevTable::sizeFor(count + 1) != MaglevTable::sizeFor(count)) steps.push_back(count);
  }
  EXPECT_EQ(steps, (std::vector<uint32_t>{65, 10485}));
  for (const uint32_t count : {1u, 66u, kMaxBackends}) EXPECT_TRUE(isPrime(MaglevTable::sizeFor(count))) << count;
}

/// What chance allows: a share is about binomial.
double tolerance(double due) { return 1 + 5 * std::sqrt(due); }

TEST(Maglev, EqualWeightsGetSharesThatChanceWouldGiveOrBetter) {
  for (const uint32_t count : {2u, 3u, 10u, 65u, 100u, 1000u}) {
    const MaglevTable table = MaglevTable::build(kKey, fleetOf(count));
    const std::vector<uint32_t> shares = sharesOf(table, count);
    const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
    const double due = static_cast<double>(table.entries().size()) / count;
    std::printf("maglev: %u backends, shares from %.1f to %.1f %% of an equal one\n", count, 100 * *least / due,
                100 * *most / due);
    EXPECT_GE(*least, due - tolerance(due)) << count;
    EXPECT_LE(*most, due + tolerance(due)) << count;
  }
}

TEST(Maglev, EqualWeightsAreEqualWhateverTheWeight) {
  EXPECT_TRUE(std::ranges::equal(MaglevTable::build(kKey, fleetOf(50, 1)).entries(),
                                 MaglevTable::build(kKey, fleetOf(50, 0xffffffff)).entries()));
}

void expectProportional(std::vector<uint32_t> weights) {
  std::vector<MaglevBackend> fleet = fleetOf(static_cast<uint32_t>(weights.size()));
  double sum = 0;
  for (size_t i = 0; i < weights.size(); ++i) sum += fleet[i].weight = weights[i];
  const MaglevTable table = MaglevTable::build(kKey, fleet);
  const std::vector<uint32_t> shares = sharesOf(table, weights.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    const double due = static_cast<double>(table.entries().size()) * weights[i] / sum;
    EXPECT_NEAR(shares[i], due, tolerance(due)) << "backend " << i << ", weight " << weights[i];
  }
}

TEST(Maglev, SharesFollowTheWeights) {
  expectProportional({1, 2, 3, 4});
  expectProportional({1, 1, 1, 97});
  expectProportional({100, 0, 50, 0, 25});
  expectProportional({4000000000, 2000000000, 1});
  std::mt19937 random(7);
  std::vector<uint32_t> weights(60);
  for (uint32_t& weight : weights) weight = 1 + random() % 1000;
  expectProportional(weights);
}

std::vector<MaglevBackend> without(std::vector<MaglevBackend> fleet, uint16_t slot) {
  std::erase_if(fleet, [=](const MaglevBackend& backend) { return backend.slot == slot; });
  return fleet;
}

/// Entries that change their backend when `removed` leaves and that were not its own.
size_t movedOfOthers(const MaglevTable& before, const MaglevTable& after, uint16_t removed) {
  size_t moved = 0;
  for (size_t i = 0; i < before.entries().size(); ++i) {
    moved += before.entries()[i] != after.entries()[i] && before.entries()[i] != removed ? 1 : 0;
  }
  return moved;
}

TEST(Maglev, C12_RemovingOneOfNMovesItsOwnEntriesAlone) {
  for (const uint32_t count : {10u, 100u, 1000u}) {
    const std::vector<MaglevBackend> fleet = fleetOf(count);
    const MaglevTable table = MaglevTable::build(kKey, fleet);
    const std::vector<uint32_t> shares = sharesOf(table, count);
    double worst = 0;
    for (uint16_t i = 0; i < 2; ++i) {
      const auto removed = static_cast<uint16_t>(i * count / 2);
      const MaglevTable rest = MaglevTable::build(kKey, without(fleet, removed));
      ASSERT_EQ(rest.entries().size(), table.entries().size());
      EXPECT_EQ(movedOfOthers(table, rest, removed), 0U) << count;
    }
    for (const uint32_t share : shares) worst = std::max(worst, double(share) * count / double(table.entries().size()));
    std::printf("C12: 1 of %u removed: its own entries move, at most %.3f / N\n", count, worst);
    EXPECT_LE(worst, 1.1) << count;
  }
}

TEST(Maglev, ABackendThatJoinsTakesAndNobodyElseMoves) {
  std::vector<MaglevBackend> fleet = fleetOf(50);
  for (MaglevBackend& backend : fleet) backend.weight = 1 + backend.slot % 3;
  const MaglevTable all = MaglevTable::build(kKey, fleet);
  const MaglevTable rest = MaglevTable::build(kKey, without(fleet, 17));
  EXPECT_EQ(movedOfOthers(all, rest, 17), 0U) << "with weights, too";
}

TEST(Maglev, DrainingABackendByWeightZeroEqualsRemovingIt) {
  std::vector<MaglevBackend> fleet = fleetOf(20);
  fleet[7].weight = 0;
  std::vector<MaglevBackend> rest = fleet;
  rest.erase(rest.begin() + 7);
  EXPECT_TRUE(std::ranges::equal(MaglevTable::build(kKey, fleet).entries(), MaglevTable::build(kKey, rest).entries()));
}

TEST(Maglev, DoesNotDependOnTheOrderOfTheInput) {
  std::vector<MaglevBackend> fleet = fleetOf(60);
  for (MaglevBackend& backend : fleet) backend.weight = 1 + backend.slot % 3;
  const MaglevTable table = MaglevTable::build(kKey, fleet);
  std::mt19937 random(1);
  for (int round = 0; round < 3; ++round) {
    std::shuffle(fleet.begin(), fleet.end(), random);
    EXPECT_TRUE(std::ranges::equal(MaglevTable::build(kKey, fleet).entries(), table.entries()));
  }
}

TEST(Maglev, SlotsAreLabelsOnly) {
  std::vector<MaglevBackend> fleet = fleetOf(60);
  const MaglevTable table = MaglevTable::build(kKey, fleet);
  for (MaglevBackend& backend : fleet) backend.slot = static_cast<uint16_t>(backend.slot + 1000);
  const MaglevTable relabelled = MaglevTable::build(kKey, fleet);
  for (uint64_t hash = 0; hash < 65537; ++hash) ASSERT_EQ(relabelled.lookup(hash), table.lookup(hash) + 1000);
}

TEST(Maglev, AnotherKeyDrawsAnotherTable) {
  const std::vector<MaglevBackend> fleet = fleetOf(60);
  const MaglevTable a = MaglevTable::build(kKey, fleet);
  const MaglevTable b = MaglevTable::build({kKey.k0, kKey.k1 + 1}, fleet);
  size_t same = 0;
  for (size_t i = 0; i < a.entries().size(); ++i) same += a.entries()[i] == b.entries()[i];
  EXPECT_LT(same, a.entries().size() / 50);
}

// Keeps the mapping itself from changing unnoticed: proxies of two releases run side by side during an upgrade.
TEST(Maglev, MappingIsTheSameInEveryRelease) {
  const MaglevTable table = MaglevTable::build(kKey, fleetOf(5));
  std::vector<int> first;
  first.reserve(12);
  for (uint64_t hash = 0; hash < 12; ++hash) first.push_back(table.lookup(hash));
  EXPECT_EQ(first, (std::vector<int>{2, 0, 4, 4, 2, 3, 4, 2, 1, 4, 1, 3}));
}

TEST(Maglev, ASingleBackendGetsEverything) {
  std::vector<MaglevBackend> fleet = fleetOf(1);
  fleet[0].slot = 42;
  const MaglevTable table = MaglevTable::build(kKey, fleet);
  EXPECT_FALSE(table.empty());
  EXPECT_EQ(sharesOf(table, 43)[42], 65537u);
  EXPECT_EQ(table.lookup(0), 42);
  EXPECT_EQ(table.lookup(UINT64_MAX), 42);
}

TEST(Maglev, NoWeightMeansNoBackend) {
  for (const MaglevTable& table :
       {MaglevTable(), MaglevTable::build(kKey, {}), MaglevTable::build(kKey, fleetOf(3, 0))}) {
    EXPECT_TRUE(table.empty());
    EXPECT_EQ(table.lookup(0), MaglevTable::kNoBackend);
    EXPECT_EQ(table.lookup(UINT64_MAX), MaglevTable::kNoBackend);
  }
}

TEST(Maglev, BuildsAFleetOfTenThousand) {
  const MaglevTable table = MaglevTable::build(kKey, fleetOf(10000));
  const std::vector<uint32_t> shares = sharesOf(table, 10000);
  const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
  EXPECT_GE(*least, 60u);
  EXPECT_LE(*most, 140u);
}

TEST(BackendId, TellsFamiliesAddressesAndPortsApart) {
  BackendRecord v4 = recordOf(0x010203);
  EXPECT_EQ(backendIdOf(v4), (BackendId{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3, 0x11, 0x51}));
  BackendRecord v6 = v4;
  v6.family = 6;
  EXPECT_EQ(backendIdOf(v6), (BackendId{10, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11, 0x51}));
  BackendRecord otherPort = v4;
  otherPort.port = 4434;
  EXPECT_NE(backendIdOf(v4), backendIdOf(otherPort));
}

}  // namespace
}  // namespace quicproxy
