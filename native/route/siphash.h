#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

/// SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012) with 64 and 128 bits of output.
/// All look-ups and the consistent hash go through it: without the key nobody can choose what collides
/// (RFC 9000 section 21.13).
namespace quicproxy {

static_assert(std::endian::native == std::endian::little, "octets are loaded as little-endian words");

struct Digest128 {
  uint64_t low = 0;
  uint64_t high = 0;

  bool operator==(const Digest128&) const = default;
};

namespace siphash {

inline uint64_t load64(const uint8_t* octets) {
  uint64_t word = 0;
  std::memcpy(&word, octets, sizeof word);
  return word;
}

/// The last 0..7 octets with the input's length in the top octet.
/// One overlapping load instead of an octet loop wherever 8 octets are there to be read.
inline uint64_t loadTail(std::span<const uint8_t> input) {
  const size_t size = input.size();
  const size_t left = size % 8;
  const uint64_t length = static_cast<uint64_t>(size) << 56;
  if (left == 0) return length;
  if (size > 8) return length | (load64(input.data() + size - 8) >> (64 - 8 * left));
  uint64_t word = 0;
  for (size_t i = 0; i < left; ++i) word |= static_cast<uint64_t>(input[i]) << (8 * i);
  return length | word;
}

struct State {
  uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }

  void compress(uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }

  void absorb(std::span<const uint8_t> input) {
    const size_t whole = input.size() & ~size_t{7};
    for (size_t at = 0; at < whole; at += 8) compress(load64(input.data() + at));
    compress(loadTail(input));
  }

  uint64_t finish() {
    round();
    round();
    round();
    round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

}  // namespace siphash

struct SipKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;

  static SipKey from(const uint8_t octets[16]) { return {siphash::load64(octets), siphash::load64(octets + 8)}; }

  [[nodiscard]] siphash::State start() const {
    return {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
  }
};

[[nodiscard]] inline uint64_t sipHash64(const SipKey& key, std::span<const uint8_t> input) {
  siphash::State state = key.start();
  state.absorb(input);
  state.v2 ^= 0xff;
  return state.finish();
}

[[nodiscard]] inline Digest128 sipHash128(const SipKey& key, std::span<const uint8_t> input) {
  siphash::State state = key.start();
  state.v1 ^= 0xee;
  state.absorb(input);
  state.v2 ^= 0xee;
  const uint64_t low = state.finish();
  state.v1 ^= 0xdd;
  return {low, state.finish()};
}

}  // namespace quicproxy
