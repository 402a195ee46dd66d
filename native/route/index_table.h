#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "route/index_entry.h"

namespace quicproxy {

/// The one table behind all look-ups: 80-bit keyed fingerprint -> 64-bit value, with the time of its last use.
///
/// A view of memory that belongs to the caller. Nothing in the memory is a pointer, so it may lie in a shared mapping:
///
///   [Header, 128 bytes][bucket 0: 5 entries of 24 bytes, 128 bytes][bucket 1]...
///
/// A key may lie in two buckets (A from the lower half of key.word, B from the upper) and goes to the emptier one, so a
/// look-up reads at most 10 entries whatever is in the table, and there are no tombstones. When both are full, one of
/// their entries moves to its own other bucket if there is room: at most 10 more buckets are looked at, nothing
/// cascades. (Without that single move the first refusal comes at 53 to 57 % load of a million places, with it at 79 to
/// 83 %.) Keys are digests under a secret key: nobody outside can choose the buckets.
///
/// ONE thread writes (all members that are not const), any number read by findForeign() without a lock: each entry is a
/// sequence lock (index_entry.h). A moved entry is written to its new place before it goes from the old one, and
/// `moves` counts up in between: a reader that missed and sees another count looks again.
///
/// Times are milliseconds of one monotonic clock modulo 2^32; an entry is idle once `idleMs` went by since its stamp.
/// A reader's clock may lag behind the writer's. Needs idleMs <= kMaxIdleMs and a sweep() of the whole table at least
/// every kMaxIdleMs, or the clock wraps round to an old stamp and the entry looks fresh; or kNeverIdle.
class IndexTable {
 public:
  static constexpr uint32_t kMagic = 0x49505051;  // "QPPI"
  static constexpr uint32_t kVersion = 2;
  static constexpr size_t kAlignment = 128;  ///< of the memory: a bucket is two cache lines, fetched as a pair
  static constexpr uint32_t kBucketEntries = 5;
  static constexpr uint32_t kMaxCapacity = uint32_t{1} << 31;
  static constexpr uint32_t kMaxIdleMs = uint32_t{1} << 30;
  static constexpr uint32_t kNeverIdle = IndexEntry::kNeverIdle;

  /// Where an entry lies. Good until the next insert(), erase() or sweep().
  struct Handle {
    uint32_t place;
  };
  struct Found {
    uint64_t value;
    Handle handle;
  };
  using Key = IndexKey;
  using Pair = IndexPair;
  enum class Outcome : uint8_t {
    kInserted,
    kUpdated,  ///< the key was there and live
    kFull,     ///< no room without evicting a live entry; nothing was changed
  };
  struct Insertion {
    Outcome outcome;
    Handle handle;                  ///< not with kFull
    std::optional<Pair> displaced;  ///< idle entry whose place was taken: sweep() will not report it any more
  };

  /// Bytes of memory for at least `capacityEntries` (at most kMaxCapacity) places. Plan for a load of 72 %:
  /// random keys met the first kFull at 78 to 80 % of 16 million places, later in smaller tables.
  [[nodiscard]] static constexpr size_t bytesFor(uint32_t capacityEntries) {
    return sizeof(Header) + size_t{bucketsFor(capacityEntries)} * sizeof(Bucket);
  }

  /// Lays an empty table into `memory` and touches all of it. None if it is smaller than bytesFor() or misaligned.
  [[nodiscard]] static std::optional<IndexTable> create(std::span<std::byte> memory, uint32_t capacityEntries);

  /// Finds a table that another thread or process laid into `memory`. None if the header is not one of ours or claims
  /// more than `memory` holds.
  [[nodiscard]] static std::optional<IndexTable> attach(std::span<std::byte> memory);

  /// Starts to load the buckets of `key`: worth it when other work lies between this and the look-up (a batch).
  void prefetch(const Key& key) const {
    __builtin_prefetch(&buckets_[bucketA(key)]);
    __builtin_prefetch(&buckets_[bucketB(key)]);
  }

  /// Writer only; an idle entry is a miss.
  [[nodiscard]] std::optional<Found> find(const Key& key, uint32_t nowMs, uint32_t idleMs) const {
    const std::optional<Handle> at = search(key);
    if (!at) return std::nullopt;
    const IndexEntry& entry = entryAt(*at);
    if (entry.isIdle(nowMs, idleMs)) return std::nullopt;
    return Found{entry.value(), *at};
  }

  /// Any thread. A writer stopped in the middle of this very entry reads as a miss.
  [[nodiscard]] std::optional<uint64_t> findForeign(const Key& key, uint32_t nowMs, uint32_t idleMs) const;

  Insertion insert(const Key& key, uint64_t value, uint32_t nowMs, uint32_t idleMs);

  /// Inserts where insert() found no room, in the place of the entry of the two buckets that ranks highest, the longest
  /// unused of these; rank(value) is 0 for what has to stay. kFull when all have to.
  template <typename Rank>
  Insertion insertOver(const Key& key, uint64_t value, uint32_t nowMs, Rank&& rank) {
    std::optional<Handle> victim;
    int highest = 0;
    for (const uint32_t bucket : {bucketA(key), bucketB(key)}) {
      for (uint32_t i = 0; i < kBucketEntries; ++i) {
        const Handle at{bucket * kBucketEntries + i};
        const IndexEntry& entry = entryAt(at);
        const int ranked = rank(entry.value());
        const bool older = victim && static_cast<int32_t>(entryAt(*victim).stampMs() - entry.stampMs()) > 0;
        if (ranked == 0 || ranked < highest || (ranked == highest && !older)) continue;
        highest = ranked;
        victim = at;
      }
    }
    if (!victim) return {Outcome::kFull, Handle{0}, std::nullopt};
    return {Outcome::kInserted, *victim, fill(*victim, Pair{key, value}, nowMs)};
  }

  /// The value at a place that insert() named, if that still holds an entry. The entry may be another one since.
  [[nodiscard]] std::optional<uint64_t> valueAt(Handle handle) const {
    if (handle.place >= capacity() || entryAt(handle).isFree()) return std::nullopt;
    return entryAt(handle).value();
  }

  void touch(Handle handle, uint32_t nowMs) { entryAt(handle).touch(nowMs); }
  void update(Handle handle, uint64_t value, uint32_t nowMs) { entryAt(handle).update(value, nowMs); }

  void erase(Handle handle) {
    IndexEntry& entry = entryAt(handle);
    if (entry.isFree()) return;
    entry.store(Pair{}, 0);
    setOccupied(occupied() - 1);
  }

  /// True if the key was there, idle or not.
  bool erase(const Key& key) {
    const std::optional<Handle> at = search(key);
    if (at) erase(*at);
    return at.has_value();
  }

  /// Looks at the next `count` places after those of the call before, round and round, and frees the idle ones;
  /// onExpired(const Pair&) is called for each after it is free, and may change this table.
  template <typename OnExpired>
  void sweep(uint32_t count, uint32_t nowMs, uint32_t idleMs, OnExpired&& onExpired) {
    for (uint32_t left = std::min(count, capacity()); left > 0; --left) {
      const Handle at{sweepPlace_};
      sweepPlace_ = sweepPlace_ + 1 == capacity() ? 0 : sweepPlace_ + 1;
      const IndexEntry& entry = entryAt(at);
      if (entry.isFree() || !entry.isIdle(nowMs, idleMs)) continue;
      const Pair pair = entry.pair();
      erase(at);
      onExpired(pair);
    }
  }

  /// Places taken, by live and by idle entries that no sweep has met yet. Any thread.
  [[nodiscard]] uint64_t occupied() const { return header_->occupied.load(std::memory_order_relaxed); }
  [[nodiscard]] uint32_t capacity() const { return bucketCount_ * kBucketEntries; }

 private:
  struct Header {
    uint32_t magic;
    uint32_t version;
    uint32_t bucketCount;
    uint32_t entryBytes;
    std::atomic<uint64_t> occupied;
    alignas(64) std::atomic<uint64_t> moves;  ///< changes seldom and every reader reads it: a line of its own
  };
  struct alignas(kAlignment) Bucket {
    std::array<IndexEntry, kBucketEntries> entries;
  };
  static_assert(sizeof(Header) == kAlignment && sizeof(Bucket) == kAlignment);

  /// A reader that misses looks again when an entry was moved meanwhile, but not for ever.
  static constexpr int kSearchAttempts = 8;

  IndexTable(Header* header, Bucket* buckets, uint32_t bucketCount)
      : header_(header), buckets_(buckets), bucketCount_(bucketCount) {}

  static constexpr uint32_t bucketsFor(uint32_t capacityEntries) {
    const uint32_t bounded = std::min(capacityEntries, kMaxCapacity);
    return bounded == 0 ? 1 : (bounded - 1) / kBucketEntries + 1;
  }

  [[nodiscard]] std::optional<IndexEntry::Snapshot> searchForeign(const Key& key) const;

  struct Vacancy {
    uint32_t places = 0;  ///< free or idle
    Handle best{0};       ///< a free place before an idle one
  };
  [[nodiscard]] Vacancy vacancyOf(uint32_t bucket, uint32_t nowMs, uint32_t idleMs) const;

  std::optional<Pair> fill(Handle vacant, const Pair& pair, uint32_t stampMs);

  struct Room {
    Handle at;                      ///< holds a copy of an entry that was moved away
    std::optional<Pair> displaced;  ///< idle entry that had to go for the move
  };
  std::optional<Room> makeRoom(const Key& key, uint32_t nowMs, uint32_t idleMs);

  // Multiply and shift instead of a mask: any number of buckets, so a memory budget is used to the last bucket.
  [[nodiscard]] uint32_t scale(uint64_t word) const {
    return static_cast<uint32_t>((uint64_t{static_cast<uint32_t>(word)} * bucketCount_) >> 32);
  }
  [[nodiscard]] uint32_t bucketA(const Key& key) const { return scale(key.word); }
  [[nodiscard]] uint32_t bucketB(const Key& key) const { return scale(key.word >> 32); }

  [[nodiscard]] IndexEntry& entryAt(Handle handle) const {
    return buckets_[handle.place / kBucketEntries].entries[handle.place % kBucketEntries];
  }

  [[nodiscard]] std::optional<Handle> search(const Key& key) const {
    for (const uint32_t bucket : {bucketA(key), bucketB(key)}) {
      for (uint32_t i = 0; i < kBucketEntries; ++i) {
        if (buckets_[bucket].entries[i].holds(key)) return Handle{bucket * kBucketEntries + i};
      }
    }
    return std::nullopt;
  }

  void setOccupied(uint64_t count) { header_->occupied.store(count, std::memory_order_relaxed); }

  Header* header_;
  Bucket* buckets_;
  uint32_t bucketCount_;
  uint32_t sweepPlace_ = 0;
};

inline std::optional<IndexTable> IndexTable::create(std::span<std::byte> memory, uint32_t capacityEntries) {
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  if (address % kAlignment != 0 || memory.size() < bytesFor(capacityEntries)) return std::nullopt;
  const uint32_t bucketCount = bucketsFor(capacityEntries);
  auto* header = std::construct_at(reinterpret_cast<Header*>(memory.data()));
  auto* buckets = reinterpret_cast<Bucket*>(memory.data() + sizeof(Header));
  std::uninitialized_value_construct_n(buckets, bucketCount);
  header->magic = kMagic;
  header->version = kVersion;
  header->bucketCount = bucketCount;
  header->entryBytes = sizeof(IndexEntry);
  return IndexTable(header, buckets, bucketCount);
}

inline std::optional<IndexTable> IndexTable::attach(std::span<std::byte> memory) {
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  if (address % kAlignment != 0 || memory.size() < sizeof(Header)) return std::nullopt;
  auto* header = reinterpret_cast<Header*>(memory.data());
  const uint32_t bucketCount = header->bucketCount;
  const bool ours = header->magic == kMagic && header->version == kVersion && header->entryBytes == sizeof(IndexEntry);
  const size_t room = (memory.size() - sizeof(Header)) / sizeof(Bucket);
  if (!ours || bucketCount == 0 || bucketCount > room || bucketCount > bucketsFor(kMaxCapacity)) return std::nullopt;
  return IndexTable(header, reinterpret_cast<Bucket*>(memory.data() + sizeof(Header)), bucketCount);
}

inline std::optional<IndexEntry::Snapshot> IndexTable::searchForeign(const Key& key) const {
  for (const uint32_t bucket : {bucketA(key), bucketB(key)}) {
    for (const IndexEntry& entry : buckets_[bucket].entries) {
      const std::optional<IndexEntry::Snapshot> seen = entry.readStable(key);
      if (seen && seen->pair.key == key) return seen;
    }
  }
  return std::nullopt;
}

inline std::optional<uint64_t> IndexTable::findForeign(const Key& key, uint32_t nowMs, uint32_t idleMs) const {
  uint64_t moves = header_->moves.load(std::memory_order_acquire);
  for (int attempt = 0; attempt < kSearchAttempts; ++attempt) {
    const std::optional<IndexEntry::Snapshot> seen = searchForeign(key);
    if (seen && IndexEntry::isIdleAt(seen->stampMs, nowMs, idleMs)) return std::nullopt;
    if (seen) return seen->pair.value;
    const uint64_t movesSince = header_->moves.load(std::memory_order_acquire);
    if (movesSince == moves) return std::nullopt;
    moves = movesSince;
  }
  return std::nullopt;
}

inline IndexTable::Vacancy IndexTable::vacancyOf(uint32_t bucket, uint32_t nowMs, uint32_t idleMs) const {
  Vacancy vacancy;
  bool bestIsFree = false;
  for (uint32_t i = 0; i < kBucketEntries; ++i) {
    const IndexEntry& entry = buckets_[bucket].entries[i];
    const bool isFree = entry.isFree();
    if (!isFree && !entry.isIdle(nowMs, idleMs)) continue;
    if (vacancy.places == 0 || (isFree && !bestIsFree)) vacancy.best = Handle{bucket * kBucketEntries + i};
    bestIsFree |= isFree;
    ++vacancy.places;
  }
  return vacancy;
}

/// Writes over a free or idle place and answers what lay there.
inline std::optional<IndexTable::Pair> IndexTable::fill(Handle vacant, const Pair& pair, uint32_t stampMs) {
  IndexEntry& entry = entryAt(vacant);
  const Pair before = entry.pair();
  entry.store(pair, stampMs);
  if (before.key.word != 0) return before;
  setOccupied(occupied() + 1);
  return std::nullopt;
}

/// Both buckets of `key` are full of live entries: copies one of them into its other bucket.
inline std::optional<IndexTable::Room> IndexTable::makeRoom(const Key& key, uint32_t nowMs, uint32_t idleMs) {
  for (const uint32_t bucket : {bucketA(key), bucketB(key)}) {
    for (uint32_t i = 0; i < kBucketEntries; ++i) {
      const Handle from{bucket * kBucketEntries + i};
      const Pair pair = entryAt(from).pair();
      const uint32_t a = bucketA(pair.key);
      const Vacancy elsewhere = vacancyOf(a == bucket ? bucketB(pair.key) : a, nowMs, idleMs);
      if (elsewhere.places == 0) continue;
      const std::optional<Pair> displaced = fill(elsewhere.best, pair, entryAt(from).stampMs());
      header_->moves.store(header_->moves.load(std::memory_order_relaxed) + 1, std::memory_order_release);
      return Room{from, displaced};
    }
  }
  return std::nullopt;
}

inline IndexTable::Insertion IndexTable::insert(const Key& key, uint64_t value, uint32_t nowMs, uint32_t idleMs) {
  const Pair pair{key, value};
  if (const std::optional<Handle> at = search(pair.key)) {
    IndexEntry& entry = entryAt(*at);
    if (entry.isIdle(nowMs, idleMs)) return {Outcome::kInserted, *at, fill(*at, pair, nowMs)};
    entry.store(pair, nowMs);
    return {Outcome::kUpdated, *at, std::nullopt};
  }
  const Vacancy a = vacancyOf(bucketA(pair.key), nowMs, idleMs);
  const Vacancy b = vacancyOf(bucketB(pair.key), nowMs, idleMs);
  const Vacancy& roomier = a.places >= b.places ? a : b;
  if (roomier.places > 0) return {Outcome::kInserted, roomier.best, fill(roomier.best, pair, nowMs)};
  const std::optional<Room> room = makeRoom(pair.key, nowMs, idleMs);
  if (!room) return {Outcome::kFull, Handle{0}, std::nullopt};
  entryAt(room->at).store(pair, nowMs);
  return {Outcome::kInserted, room->at, room->displaced};
}

}  // namespace quicproxy
