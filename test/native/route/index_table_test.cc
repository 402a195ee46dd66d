#include "route/index_table.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <random>
#include <vector>

#include "index_table_fixture.h"

namespace quicproxy {
namespace {

using Outcome = IndexTable::Outcome;

TEST(IndexTable, FindsWhatWasInsertedAndNothingElse) {
  IndexFixture f(64);
  const auto inserted = f.table.insert(keyOf(1), 11, 5, kIdleMs);
  EXPECT_EQ(inserted.outcome, Outcome::kInserted);
  EXPECT_FALSE(inserted.displaced);
  const auto found = f.table.find(keyOf(1), 5, kIdleMs);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->value, 11u);
  EXPECT_EQ(found->handle.place, inserted.handle.place);
  EXPECT_EQ(f.table.findForeign(keyOf(1), 5, kIdleMs), 11u);
  EXPECT_FALSE(f.table.find(keyOf(2), 5, kIdleMs));
  EXPECT_FALSE(f.table.findForeign(keyOf(2), 5, kIdleMs));
  EXPECT_EQ(f.table.occupied(), 1u);
}

TEST(IndexTable, ComparesAllThatItKeepsOfTheKey) {
  IndexFixture f(4);
  f.table.insert(Digest128{7, 7}, 1, 0, kIdleMs);
  constexpr uint64_t kRest = uint64_t{1} << 47;
  for (const Digest128 other : {Digest128{7, 8}, Digest128{8, 7}, Digest128{kRest | 7, 7}}) {
    EXPECT_FALSE(f.table.find(other, 0, kIdleMs));
    EXPECT_FALSE(f.table.findForeign(other, 0, kIdleMs));
  }
}

TEST(IndexTable, TheAllZeroKeyIsAKeyLikeAnyOther) {
  IndexFixture f(4);
  EXPECT_FALSE(f.table.find(Digest128{0, 0}, 0, kIdleMs));
  EXPECT_FALSE(f.table.findForeign(Digest128{0, 0}, 0, kIdleMs));
  EXPECT_EQ(f.table.insert(Digest128{0, 0}, 9, 0, kIdleMs).outcome, Outcome::kInserted);
  EXPECT_EQ(f.table.find(Digest128{0, 0}, 0, kIdleMs)->value, 9u);
  EXPECT_EQ(f.table.findForeign(Digest128{0, 0}, 0, kIdleMs), 9u);
  EXPECT_TRUE(f.table.erase(Digest128{0, 0}));
  EXPECT_EQ(f.table.occupied(), 0u);
}

TEST(IndexTable, AnEntryIsIdleOnceItsTimeIsUp) {
  IndexFixture f(64);
  const auto at = f.table.insert(keyOf(1), 11, 100, kIdleMs).handle;
  EXPECT_TRUE(f.table.find(keyOf(1), 1099, kIdleMs));
  EXPECT_FALSE(f.table.find(keyOf(1), 1100, kIdleMs));
  EXPECT_FALSE(f.table.findForeign(keyOf(1), 1100, kIdleMs));
  f.table.touch(at, 1099);
  EXPECT_TRUE(f.table.find(keyOf(1), 1100, kIdleMs));
  EXPECT_EQ(f.table.findForeign(keyOf(1), 2098, kIdleMs), 11u);
}

TEST(IndexTable, AReaderWhoseClockLagsStillFindsAFreshEntry) {
  IndexFixture f(64);
  f.table.insert(keyOf(1), 11, 5000, kIdleMs);
  EXPECT_EQ(f.table.findForeign(keyOf(1), 4990, kIdleMs), 11u);
}

TEST(IndexTable, TheClockMayWrap) {
  IndexFixture f(64);
  f.table.insert(keyOf(1), 11, 0xffffff00, kIdleMs);
  EXPECT_TRUE(f.table.find(keyOf(1), 0xffffff00 + 999, kIdleMs));
  EXPECT_FALSE(f.table.find(keyOf(1), 0xffffff00 + 1000, kIdleMs));
  f.table.insert(keyOf(2), 22, 0xffffffff, IndexTable::kMaxIdleMs);
  EXPECT_TRUE(f.table.find(keyOf(2), IndexTable::kMaxIdleMs - 2, IndexTable::kMaxIdleMs));
  EXPECT_FALSE(f.table.find(keyOf(2), IndexTable::kMaxIdleMs - 1, IndexTable::kMaxIdleMs));
}

TEST(IndexTable, UpdatesAndErases) {
  IndexFixture f(64);
  f.table.insert(keyOf(1), 11, 0, kIdleMs);
  EXPECT_EQ(f.table.insert(keyOf(1), 12, 1, kIdleMs).outcome, Outcome::kUpdated);
  EXPECT_EQ(f.table.occupied(), 1u);
  const auto found = f.table.find(keyOf(1), 1, kIdleMs);
  EXPECT_EQ(found->value, 12u);
  f.table.update(found->handle, 13, 2);
  EXPECT_EQ(f.table.findForeign(keyOf(1), 1001, kIdleMs), 13u);
  f.table.erase(found->handle);
  f.table.erase(found->handle);
  EXPECT_EQ(f.table.occupied(), 0u);
  EXPECT_FALSE(f.table.erase(keyOf(1)));
  EXPECT_FALSE(f.table.findForeign(keyOf(1), 2, kIdleMs));
}

TEST(IndexTable, RefusesWhenBothBucketsAreLiveAndEvictsNothing) {
  IndexFixture f(5);
  for (uint64_t n = 1; n <= 5; ++n) EXPECT_EQ(f.table.insert(keyOf(n), n, 0, kIdleMs).outcome, Outcome::kInserted);
  EXPECT_EQ(f.table.insert(keyOf(6), 6, 999, kIdleMs).outcome, Outcome::kFull);
  for (uint64_t n = 1; n <= 5; ++n) EXPECT_EQ(f.table.find(keyOf(n), 999, kIdleMs)->value, n);
  EXPECT_EQ(f.table.insert(keyOf(3), 33, 999, kIdleMs).outcome, Outcome::kUpdated) << "its own place is not needed";
}

TEST(IndexTable, TakesAnIdlePlaceAndSaysWhoseItWas) {
  IndexFixture f(5);
  for (uint64_t n = 1; n <= 5; ++n) f.table.insert(keyOf(n), n, n == 3 ? 0 : 500, kIdleMs);
  const auto taken = f.table.insert(keyOf(6), 6, 1000, kIdleMs);
  EXPECT_EQ(taken.outcome, Outcome::kInserted);
  ASSERT_TRUE(taken.displaced);
  EXPECT_EQ(taken.displaced->key, IndexTable::Key(keyOf(3)));
  EXPECT_EQ(taken.displaced->value, 3u);
  EXPECT_EQ(f.table.occupied(), 5u);
}

TEST(IndexTable, AnIdleEntryOfTheSameKeyIsDisplacedNotUpdated) {
  IndexFixture f(64);
  f.table.insert(keyOf(1), 11, 0, kIdleMs);
  const auto again = f.table.insert(keyOf(1), 12, 1000, kIdleMs);
  EXPECT_EQ(again.outcome, Outcome::kInserted);
  ASSERT_TRUE(again.displaced);
  EXPECT_EQ(again.displaced->value, 11u);
  EXPECT_EQ(f.table.occupied(), 1u);
}

TEST(IndexTable, MovesAnEntryToItsOtherBucketBeforeItRefuses) {
  IndexFixture f(15);
  const auto key = [](uint64_t a, uint64_t b, uint64_t salt) {
    return Digest128{wordFor(a, 3, salt), wordFor(b, 3, salt)};
  };
  f.table.insert(key(0, 2, 8), 8, 20, kIdleMs);
  f.table.insert(key(1, 1, 9), 9, 30, kIdleMs);
  for (uint64_t salt = 11; salt <= 18; ++salt) f.table.insert(key(0, 1, salt), salt, 30, kIdleMs);
  ASSERT_EQ(f.table.occupied(), 10u);
  const auto crowded = f.table.insert(key(0, 1, 20), 20, 30, kIdleMs);
  EXPECT_EQ(crowded.outcome, Outcome::kInserted) << "number 8 may go to bucket 2";
  EXPECT_EQ(f.table.insert(key(0, 1, 21), 21, 30, kIdleMs).outcome, Outcome::kFull) << "nobody else may";
  EXPECT_EQ(f.table.find(key(0, 2, 8), 1019, kIdleMs)->value, 8u) << "with the stamp it had";
  EXPECT_FALSE(f.table.find(key(0, 2, 8), 1020, kIdleMs));
  for (uint64_t salt = 11; salt <= 18; ++salt) EXPECT_EQ(f.table.findForeign(key(0, 1, salt), 30, kIdleMs), salt);
  EXPECT_EQ(f.table.findForeign(key(0, 1, 20), 30, kIdleMs), 20u);
  EXPECT_EQ(f.table.occupied(), 11u);
}

TEST(IndexTable, PrefersAFreePlaceToAnIdleOne) {
  IndexFixture f(4);
  f.table.insert(keyOf(1), 1, 0, kIdleMs);
  const auto second = f.table.insert(keyOf(2), 2, 1000, kIdleMs);
  EXPECT_FALSE(second.displaced);
  EXPECT_EQ(f.table.occupied(), 2u);
}

TEST(IndexTable, ASweepIsBoundedAndComesRoundToEveryPlace) {
  IndexFixture f(64);
  for (uint64_t n = 0; n < 32; ++n) ASSERT_EQ(f.table.insert(keyOf(n), n, 0, kIdleMs).outcome, Outcome::kInserted);
  uint64_t expired = 0;
  uint64_t sum = 0;
  const auto count = [&](const IndexTable::Pair& pair) {
    ++expired;
    sum += pair.value;
    EXPECT_EQ(pair.key, IndexTable::Key(keyOf(pair.value)));
    EXPECT_FALSE(f.table.findForeign(pair.key, 0, kIdleMs)) << "free before it is reported";
  };
  f.table.sweep(64, 999, kIdleMs, count);
  EXPECT_EQ(expired, 0u);
  for (uint32_t call = 1; call <= 8; ++call) {
    f.table.sweep(8, 1000, kIdleMs, count);
    EXPECT_LE(expired, 8u * call);
  }
  EXPECT_EQ(expired, 32u);
  EXPECT_EQ(sum, 31u * 32 / 2);
  EXPECT_EQ(f.table.occupied(), 0u);
  f.table.sweep(UINT32_MAX, 1000, kIdleMs, count);
  EXPECT_EQ(expired, 32u);
}

TEST(IndexTable, ASweepMayChangeTheTableItSweeps) {
  IndexFixture f(64);
  f.table.insert(keyOf(1), 2, 0, kIdleMs);
  f.table.insert(keyOf(2), 1, 0, kIdleMs);
  int expired = 0;
  f.table.sweep(64, 1000, kIdleMs, [&](const IndexTable::Pair& pair) {
    ++expired;
    f.table.erase(keyOf(pair.value));
  });
  EXPECT_EQ(expired, 1);
  EXPECT_EQ(f.table.occupied(), 0u);
}

struct Expect {
  void operator()(bool holds, const char* claim) const { ASSERT_TRUE(holds) << claim; }
};

void runModel(uint32_t seed, uint32_t capacity, uint64_t keys) {
  std::mt19937_64 random(seed);
  IndexTableModel model(capacity, 0xffffc000, kIdleMs, Expect{});
  for (int step = 0; step < 20000 && !testing::Test::HasFatalFailure(); ++step) {
    const Digest128 key = keyOf(random() % keys);
    const uint64_t draw = random();
    switch (random() % 8) {
      case 0:
        model.advance(static_cast<uint32_t>(draw % 40));
        break;
      case 1:
        model.erase(key);
        break;
      case 2:
        model.sweep(static_cast<uint32_t>(draw % 16));
        break;
      case 3:
        model.touch(key);
        break;
      case 4:
        model.update(key, draw);
        break;
      default:
        model.insert(key, draw);
    }
    if (step % 1000 == 0) model.compareAll();
  }
  model.compareAll();
}

TEST(IndexTable, AgreesWithAMapOverRandomOperationsAndAWrappingClock) {
  for (uint32_t seed = 0; seed < 8; ++seed) runModel(seed, 256, 120);
}

TEST(IndexTable, AgreesWithAMapWhenItIsOverfull) {
  for (uint32_t seed = 100; seed < 108; ++seed) runModel(seed, 16, 200);
}

TEST(IndexTable, TakesThreeQuartersOfItsCapacityOfRandomKeysWithoutRefusal) {
  for (const uint32_t capacity : {1024u, 65536u, 262144u, 1048576u}) {
    IndexFixture f(capacity);
    uint64_t n = 0;
    while (f.table.insert(keyOf(n), n, 0, kIdleMs).outcome == Outcome::kInserted) ++n;
    const double load = static_cast<double>(n) / f.table.capacity();
    std::printf("index table: %u places, first refusal at %.1f %% load\n", f.table.capacity(), 100 * load);
    EXPECT_GE(load, 0.7) << capacity;
    EXPECT_EQ(f.table.occupied(), n);
    for (uint64_t k = 0; k < n; ++k) ASSERT_EQ(f.table.findForeign(keyOf(k), 0, kIdleMs), k);
  }
}

TEST(IndexTable, AnyCapacityIsRoundedUpToWholeBuckets) {
  for (const uint32_t capacity : {0u, 1u, 3u, 4u, 5u, 100u, 1001u}) {
    IndexFixture f(capacity);
    EXPECT_GE(f.table.capacity(), std::max(capacity, 1u));
    EXPECT_LT(f.table.capacity(), capacity + 6);
    EXPECT_EQ(IndexTable::bytesFor(capacity), 128 + 128 * size_t{f.table.capacity() / 5});
    EXPECT_EQ(f.table.insert(keyOf(1), 1, 0, kIdleMs).outcome, Outcome::kInserted);
  }
  EXPECT_GE(IndexTable::bytesFor(IndexTable::kMaxCapacity), size_t{25} * IndexTable::kMaxCapacity);
}

TEST(IndexTable, CreateRefusesMemoryTooSmallOrMisaligned) {
  IndexMemory memory(IndexTable::bytesFor(64) + 128);
  EXPECT_FALSE(IndexTable::create(memory.span().first(IndexTable::bytesFor(64) - 1), 64));
  EXPECT_FALSE(IndexTable::create(memory.span().subspan(64), 64));
  EXPECT_TRUE(IndexTable::create(memory.span(), 64));
}

TEST(IndexTable, ASecondViewOfTheMemorySeesTheSameEntries) {
  IndexFixture f(64);
  f.table.insert(keyOf(1), 11, 0, kIdleMs);
  const auto other = IndexTable::attach(f.memory.span());
  ASSERT_TRUE(other);
  EXPECT_EQ(other->capacity(), f.table.capacity());
  EXPECT_EQ(other->findForeign(keyOf(1), 0, kIdleMs), 11u);
  EXPECT_EQ(other->occupied(), 1u);
}

TEST(IndexTable, AttachRefusesAnyHeaderThatIsNotOurs) {
  IndexFixture f(64);
  for (size_t field = 0; field < 4; ++field) {
    const std::span<std::byte> word = f.memory.span().subspan(4 * field, 4);
    uint32_t good = 0;
    std::memcpy(&good, word.data(), 4);
    for (const uint32_t bad : {0u, good + 1, UINT32_MAX}) {
      std::memcpy(word.data(), &bad, 4);
      EXPECT_FALSE(IndexTable::attach(f.memory.span())) << "word " << field << " = " << bad;
    }
    std::memcpy(word.data(), &good, 4);
  }
  EXPECT_FALSE(IndexTable::attach(f.memory.span().first(127)));
  EXPECT_FALSE(IndexTable::attach(f.memory.span().first(IndexTable::bytesFor(64) - 128)));
  EXPECT_TRUE(IndexTable::attach(f.memory.span()));
}

/// The sequence word of the only entry, by the layouts that index_table.h and index_entry.h draw.
std::span<std::byte> sequenceOf(const IndexFixture& f, IndexTable::Handle at) {
  return f.memory.span().subspan(128 + 128 * size_t{at.place / 5} + 24 * size_t{at.place % 5} + 20, 2);
}

TEST(IndexTable, AnEntryThatAWriterLeftHalfWrittenIsAMissUntilItIsWrittenAgain) {
  IndexFixture f(64);
  const auto at = f.table.insert(keyOf(1), 11, 0, kIdleMs).handle;
  uint16_t sequence = 0;
  std::memcpy(&sequence, sequenceOf(f, at).data(), 2);
  EXPECT_EQ(sequence % 2, 0u);
  ++sequence;
  std::memcpy(sequenceOf(f, at).data(), &sequence, 2);
  EXPECT_FALSE(f.table.findForeign(keyOf(1), 0, kIdleMs));
  f.table.insert(keyOf(1), 12, 0, kIdleMs);
  EXPECT_EQ(f.table.findForeign(keyOf(1), 0, kIdleMs), 12u);
}

}  // namespace
}  // namespace quicproxy
