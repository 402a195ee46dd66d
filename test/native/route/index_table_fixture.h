#pragma once

#include <cstdint>

#include "index_table_model.h"

namespace quicproxy {

constexpr uint32_t kIdleMs = 1000;
constexpr SipKey kKey{1, 2};

inline Digest128 keyOf(uint64_t n) { return sipHash128(kKey, {reinterpret_cast<const uint8_t*>(&n), sizeof n}); }

struct IndexFixture {
  explicit IndexFixture(uint32_t capacity)
      : memory(IndexTable::bytesFor(capacity)), table(*IndexTable::create(memory.span(), capacity)) {}
  IndexMemory memory;
  IndexTable table;
};

/// Low 32 bits of a word that choose bucket `n` of `count`.
inline uint64_t wordFor(uint64_t n, uint64_t count, uint64_t salt) { return salt << 32 | ((n << 32) / count + 1); }

}  // namespace quicproxy
