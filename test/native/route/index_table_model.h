#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <unordered_map>

#include "route/index_table.h"

namespace quicproxy {

/// Aligned memory for one table.
class IndexMemory {
 public:
  explicit IndexMemory(size_t bytes)
      : bytes_(bytes), data_(static_cast<std::byte*>(::operator new(bytes, std::align_val_t{IndexTable::kAlignment}))) {
    std::memset(data_, 0xa5, bytes);
  }
  ~IndexMemory() { ::operator delete(data_, std::align_val_t{IndexTable::kAlignment}); }
  IndexMemory(const IndexMemory&) = delete;
  IndexMemory& operator=(const IndexMemory&) = delete;

  [[nodiscard]] std::span<std::byte> span() const { return {data_, bytes_}; }

 private:
  size_t bytes_;
  std::byte* data_;
};

/// An IndexTable beside a std::unordered_map that must agree with it after every operation; check() is called with
/// each claim. kFull is the one answer a map cannot foresee; it must leave everything as it was.
template <typename Check>
class IndexTableModel {
 public:
  IndexTableModel(uint32_t capacity, uint32_t nowMs, uint32_t idleMs, Check check)
      : memory_(IndexTable::bytesFor(capacity)),
        table_(*IndexTable::create(memory_.span(), capacity)),
        nowMs_(nowMs),
        idleMs_(idleMs),
        check_(check) {}

  void advance(uint32_t ms) { nowMs_ += ms; }

  void insert(const IndexTable::Key& key, uint64_t value) {
    const bool wasLive = isLive(key);
    const IndexTable::Insertion done = table_.insert(key, value, nowMs_, idleMs_);
    if (done.outcome == IndexTable::Outcome::kFull) {
      ++refused_;
      check_(!known_.contains(key) && !done.displaced, "full though the key has a place");
    } else {
      check_(wasLive == (done.outcome == IndexTable::Outcome::kUpdated), "inserted or updated");
      if (done.displaced) forget(*done.displaced);
      known_[key] = {value, nowMs_};
    }
    compare(key);
  }

  void touch(const IndexTable::Key& key) {
    const auto found = table_.find(key, nowMs_, idleMs_);
    if (found) {
      table_.touch(found->handle, nowMs_);
      known_[key].stampMs = nowMs_;
    }
    compare(key);
  }

  void update(const IndexTable::Key& key, uint64_t value) {
    const auto found = table_.find(key, nowMs_, idleMs_);
    if (found) {
      table_.update(found->handle, value, nowMs_);
      known_[key] = {value, nowMs_};
    }
    compare(key);
  }

  void erase(const IndexTable::Key& key) {
    check_(table_.erase(key) == (known_.erase(key) == 1), "erased what was there");
    compare(key);
  }

  void sweep(uint32_t count) {
    uint32_t expired = 0;
    table_.sweep(count, nowMs_, idleMs_, [&](const IndexTable::Pair& pair) {
      ++expired;
      forget(pair);
    });
    check_(expired <= count, "no more expired than places visited");
    check_(table_.occupied() == known_.size(), "count after a sweep");
  }

  void compare(const IndexTable::Key& key) const {
    const auto found = table_.find(key, nowMs_, idleMs_);
    const auto foreign = table_.findForeign(key, nowMs_, idleMs_);
    check_(found.has_value() == isLive(key) && foreign.has_value() == isLive(key), "live keys are found");
    if (found) check_(found->value == known_.at(key).value && *foreign == found->value, "the value is the last one");
    check_(table_.occupied() == known_.size(), "count");
  }

  void compareAll() const {
    for (const auto& [key, entry] : known_) compare(key);
  }

  [[nodiscard]] const IndexTable& table() const { return table_; }
  [[nodiscard]] size_t known() const { return known_.size(); }
  [[nodiscard]] uint64_t refused() const { return refused_; }

 private:
  struct Entry {
    uint64_t value;
    uint32_t stampMs;
  };
  struct HashOfKey {
    size_t operator()(const IndexTable::Key& key) const { return key.word ^ key.rest; }
  };

  [[nodiscard]] bool isLive(const IndexTable::Key& key) const {
    const auto at = known_.find(key);
    return at != known_.end() && nowMs_ - at->second.stampMs < idleMs_;
  }

  /// `pair` left the table for being idle.
  void forget(const IndexTable::Pair& pair) {
    const auto at = known_.find(pair.key);
    check_(at != known_.end() && at->second.value == pair.value, "only what was there goes");
    check_(!isLive(pair.key), "only idle entries go");
    known_.erase(pair.key);
  }

  IndexMemory memory_;
  IndexTable table_;
  std::unordered_map<IndexTable::Key, Entry, HashOfKey> known_;
  uint32_t nowMs_;
  uint32_t idleMs_;
  uint64_t refused_ = 0;
  Check check_;
};

}  // namespace quicproxy
