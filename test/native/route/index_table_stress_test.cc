#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "index_table_fixture.h"

namespace quicproxy {
namespace {

using Outcome = IndexTable::Outcome;

/// Keys that share few places, values that tell their key and only grow.
class Stress {
 public:
  static constexpr uint64_t kKeys = 48;
  static constexpr int kReaders = 3;
  static constexpr int kHitsPerReader = 10000;

  void run() {
    std::vector<std::thread> readers;
    readers.reserve(kReaders);
    for (uint32_t i = 0; i < kReaders; ++i) readers.emplace_back([this, i] { read(i); });
    write();
    for (std::thread& reader : readers) reader.join();
    EXPECT_EQ(wrong_.load(), 0u);
  }

 private:
  void write() {
    std::mt19937_64 random(99);
    for (uint64_t version = 1; done_.load() < kReaders; ++version) {
      const uint64_t n = random() % kKeys;
      const auto nowMs = static_cast<uint32_t>(version >> 4);
      const auto found = f_.table.find(keyOf(n), nowMs, kIdleMs);
      if (!found) {
        f_.table.insert(keyOf(n), n << 56 | version, nowMs, kIdleMs);
      } else if (version % 4 == 0) {
        f_.table.erase(found->handle);
      } else if (version % 4 == 1) {
        f_.table.update(found->handle, n << 56 | version, nowMs);
      } else {
        f_.table.touch(found->handle, nowMs);
      }
      if (version % 64 == 0) f_.table.sweep(8, nowMs, kIdleMs, [](const IndexTable::Pair&) {});
      nowMs_.store(nowMs, std::memory_order_relaxed);
    }
  }

  void read(uint32_t seed) {
    const auto view = IndexTable::attach(f_.memory.span());
    std::mt19937_64 random(seed);
    std::vector<uint64_t> last(kKeys);
    for (int hits = 0; hits < kHitsPerReader;) {
      const uint64_t n = random() % kKeys;
      const auto value = view->findForeign(keyOf(n), nowMs_.load(std::memory_order_relaxed), kIdleMs);
      if (!value) continue;
      ++hits;
      const bool isOfKey = *value >> 56 == n;
      const bool isNotOlder = *value >= last[n];
      if (!isOfKey || !isNotOlder) wrong_.fetch_add(1, std::memory_order_relaxed);
      last[n] = *value;
    }
    done_.fetch_add(1);
  }

  IndexFixture f_{32};
  std::atomic<uint32_t> nowMs_{0};
  std::atomic<int> done_{0};
  std::atomic<uint64_t> wrong_{0};
};

TEST(IndexTableStress, ReadersNeverSeeATornOrAnOlderEntryWhileTheWriterWrites) { Stress().run(); }

/// Two buckets with one free place between them, so that every insertion moves the one key that may lie in both.
class MoveStress {
 public:
  void run() {
    f_.table.insert(kRoaming, 1, 0, kIdleMs);
    for (uint64_t salt = 1; salt <= 4; ++salt) f_.table.insert(pinned(0, salt), 0, 0, kIdleMs);
    for (uint64_t salt = 1; salt <= 4; ++salt) f_.table.insert(pinned(1, salt), 0, 0, kIdleMs);
    std::thread reader([this] { read(); });
    write();
    reader.join();
    EXPECT_EQ(missed_, 0u);
  }

 private:
  static constexpr uint64_t kMoves = 60000;
  /// Ends the test where the two threads hardly ever run at the same time.
  static constexpr uint64_t kLooks = 3'000'000;
  /// A reader has eight attempts and a move spoils at most one. Moves come in bursts, and none begins before a look has
  /// ended since the last began: a look meets at most the end of one and another.
  static constexpr uint64_t kBurst = 3;
  inline static const Digest128 kRoaming{wordFor(0, 2, 99), wordFor(1, 2, 99)};

  static Digest128 pinned(uint64_t bucket, uint64_t salt) {
    return {wordFor(bucket, 2, salt), wordFor(bucket, 2, salt)};
  }

  void write() {
    uint64_t looksBefore = UINT64_MAX;
    for (uint64_t n = 0; n < kMoves && looks_.load() < kLooks;) {
      const uint64_t looks = looks_.load();
      // Spins: with a yield a busy machine would take a time slice of others for each burst.
      if (looks == looksBefore) continue;
      looksBefore = looks;
      for (uint64_t burst = 0; burst < kBurst; ++burst, ++n) {
        const Digest128 key = pinned(n % 2, 5);
        EXPECT_EQ(f_.table.insert(key, 0, 0, kIdleMs).outcome, Outcome::kInserted);
        f_.table.erase(key);
      }
    }
    done_.store(true);
  }

  void read() {
    const IndexTable& table = f_.table;
    for (; !done_.load(); looks_.fetch_add(1)) missed_ += table.findForeign(kRoaming, 0, kIdleMs) == 1 ? 0 : 1;
  }

  IndexFixture f_{10};
  std::atomic<bool> done_{false};
  std::atomic<uint64_t> looks_{0};
  uint64_t missed_ = 0;
};

TEST(IndexTableStress, ReadersNeverMissAnEntryThatIsBeingMoved) { MoveStress().run(); }

}  // namespace
}  // namespace quicproxy
