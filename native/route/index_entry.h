#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "route/siphash.h"

namespace quicproxy {

/// As much of a digest as an entry has room for. A key that is not there is taken for one of a million entries once in
/// 10^18 look-ups.
struct IndexKey {
  uint64_t word = 0;  ///< 0 only where there is no key
  uint16_t rest = 0;

  IndexKey() = default;
  // Not explicit: to the callers the digest is the key.
  IndexKey(const Digest128& digest)  // NOLINT(google-explicit-constructor)
      : word((digest.high << 32) | static_cast<uint32_t>(digest.low)), rest(static_cast<uint16_t>(digest.low >> 32)) {
    if (word == 0) word = 1;
  }
  bool operator==(const IndexKey&) const = default;

 private:
  friend class IndexEntry;
  IndexKey(uint64_t storedWord, uint16_t storedRest) : word(storedWord), rest(storedRest) {}
};

struct IndexPair {
  IndexKey key;
  uint64_t value;
};

/// A key, its value and the time of its last use, in memory that one thread writes and any number reads:
///
///   key.word | value | key.rest:16 sequence:16 stampMs:32       key.word == 0: the place is free
///
/// A sequence lock: the writer makes `sequence` odd, stores the words with release, makes it even with release; a
/// reader loads the words with acquire between two loads of `sequence`. If it saw one word of a later write, that
/// acquire makes the odd sequence before it visible to the second load, so a torn read never passes (Boehm, "Can
/// seqlocks get along with programming language memory models?", 2012). No stand-alone fence: ThreadSanitizer cannot
/// model those.
///
/// All members but readStable() are the writer's. Times are milliseconds of one monotonic clock modulo 2^32.
class IndexEntry {
 public:
  /// An idle time of entries that end by being erased and by nothing else.
  static constexpr uint32_t kNeverIdle = UINT32_MAX;

  [[nodiscard]] bool isFree() const { return word_.load(std::memory_order_relaxed) == 0; }

  [[nodiscard]] bool holds(const IndexKey& key) const {
    // The other two words are not looked at where the first says no.
    return word_.load(std::memory_order_relaxed) == key.word && restOf(loadMeta()) == key.rest;
  }

  [[nodiscard]] IndexPair pair() const {
    return {{word_.load(std::memory_order_relaxed), restOf(loadMeta())}, value()};
  }
  [[nodiscard]] uint64_t value() const { return value_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint32_t stampMs() const { return stampOf(loadMeta()); }
  [[nodiscard]] bool isIdle(uint32_t nowMs, uint32_t idleMs) const { return isIdleAt(stampMs(), nowMs, idleMs); }

  /// The later of two clocks may belong to the stamp: that is not idle.
  static bool isIdleAt(uint32_t stampMs, uint32_t nowMs, uint32_t idleMs) {
    return idleMs != kNeverIdle && static_cast<int32_t>(nowMs - stampMs) >= static_cast<int32_t>(idleMs);
  }

  void touch(uint32_t nowMs) {
    const uint64_t meta = loadMeta();
    // Not stored when nothing changes: the line stays clean for the readers.
    if (stampOf(meta) != nowMs) meta_.store((meta & ~uint64_t{UINT32_MAX}) | nowMs, std::memory_order_release);
  }

  void update(uint64_t value, uint32_t nowMs) {
    const uint64_t opened = open();
    value_.store(value, std::memory_order_release);
    close(opened, restOf(opened), nowMs);
  }

  void store(const IndexPair& pair, uint32_t stampMs) {
    const uint64_t opened = open();
    word_.store(pair.key.word, std::memory_order_release);
    value_.store(pair.value, std::memory_order_release);
    close(opened, pair.key.rest, stampMs);
  }

  struct Snapshot {
    IndexPair pair;
    uint32_t stampMs;
  };
  /// Any thread: what the entry holds if its key may be `key`, whole. None also while a writer is inside for longer
  /// than a few looks, or stopped there.
  [[nodiscard]] std::optional<Snapshot> readStable(const IndexKey& key) const {
    if (word_.load(std::memory_order_acquire) != key.word) return std::nullopt;
    for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
      const uint64_t before = meta_.load(std::memory_order_acquire);
      const uint64_t word = word_.load(std::memory_order_acquire);
      const uint64_t value = value_.load(std::memory_order_acquire);
      const uint64_t after = meta_.load(std::memory_order_relaxed);
      if ((sequenceOf(before) & 1) == 0 && sequenceOf(before) == sequenceOf(after)) {
        return Snapshot{{{word, restOf(before)}, value}, stampOf(before)};
      }
    }
    return std::nullopt;
  }

 private:
  /// A reader gives a torn entry this many chances: the writer is inside for some ten nanoseconds unless it was
  /// preempted there, and for that nobody may wait.
  static constexpr int kReadAttempts = 8;

  static uint16_t restOf(uint64_t meta) { return static_cast<uint16_t>(meta >> 48); }
  static uint16_t sequenceOf(uint64_t meta) { return static_cast<uint16_t>(meta >> 32); }
  static uint32_t stampOf(uint64_t meta) { return static_cast<uint32_t>(meta); }

  [[nodiscard]] uint64_t loadMeta() const { return meta_.load(std::memory_order_relaxed); }

  /// Makes the sequence odd, also when a writer died inside the entry and left it odd.
  uint64_t open() {
    const uint64_t opened = loadMeta() | uint64_t{1} << 32;
    // Release for what came before (a move); what comes after is ordered by the release of the words themselves.
    meta_.store(opened, std::memory_order_release);
    return opened;
  }

  void close(uint64_t opened, uint16_t rest, uint32_t stampMs) {
    const auto even = static_cast<uint16_t>(sequenceOf(opened) + 1);
    meta_.store(uint64_t{rest} << 48 | uint64_t{even} << 32 | stampMs, std::memory_order_release);
  }

  std::atomic<uint64_t> word_;
  std::atomic<uint64_t> value_;
  std::atomic<uint64_t> meta_;
};
static_assert(sizeof(IndexEntry) == 24);
static_assert(std::atomic<uint64_t>::is_always_lock_free);

}  // namespace quicproxy
