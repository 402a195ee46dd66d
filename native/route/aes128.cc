#include "route/aes128.h"

#include <bit>
#include <cstddef>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace quicproxy {

namespace {

uint8_t timesX(uint8_t value) { return static_cast<uint8_t>((value << 1) ^ ((value >> 7) * 0x1b)); }

uint8_t multiply(uint8_t a, uint8_t b) {
  uint8_t product = 0;
  for (; b != 0; b >>= 1, a = timesX(a)) {
    if ((b & 1) != 0) product ^= a;
  }
  return product;
}

struct SubstitutionBoxes {
  std::array<uint8_t, 256> forward{};
  std::array<uint8_t, 256> inverse{};

  /// FIPS 197 section 5.1.1: the inverse in GF(2^8), then an affine map.
  SubstitutionBoxes() {
    uint8_t p = 1;
    uint8_t q = 1;
    do {
      p = static_cast<uint8_t>(p ^ timesX(p));  // times 3, a generator of the field
      q = static_cast<uint8_t>(q ^ (q << 1));   // divided by 3
      q = static_cast<uint8_t>(q ^ (q << 2));
      q = static_cast<uint8_t>(q ^ (q << 4));
      if ((q & 0x80) != 0) q ^= 0x09;
      set(p, static_cast<uint8_t>(q ^ std::rotl(q, 1) ^ std::rotl(q, 2) ^ std::rotl(q, 3) ^ std::rotl(q, 4) ^ 0x63));
    } while (p != 1);
    set(0, 0x63);
  }

 private:
  void set(uint8_t from, uint8_t to) {
    forward[from] = to;
    inverse[to] = from;
  }
};

const SubstitutionBoxes& boxes() {
  static const SubstitutionBoxes instance;
  return instance;
}

void addKey(Block128& state, const Block128& key) {
  for (size_t i = 0; i < 16; i++) state[i] ^= key[i];
}

void mixColumns(Block128& state, const std::array<uint8_t, 4>& row) {
  for (size_t column = 0; column < 16; column += 4) {
    std::array<uint8_t, 4> mixed{};
    for (size_t i = 0; i < 4; i++) {
      for (size_t j = 0; j < 4; j++) mixed[i] ^= multiply(state[column + j], row[(j + 4 - i) % 4]);
    }
    for (size_t i = 0; i < 4; i++) state[column + i] = mixed[i];
  }
}

constexpr std::array<uint8_t, 4> kMix = {2, 3, 1, 1};
constexpr std::array<uint8_t, 4> kInverseMix = {14, 11, 13, 9};

/// step 5: ShiftRows; step 13: its inverse.
Block128 shiftAndSubstitute(const Block128& state, const std::array<uint8_t, 256>& box, size_t step) {
  Block128 result;
  for (size_t i = 0; i < 16; i++) result[i] = box[state[(i * step) % 16]];
  return result;
}

#if defined(__x86_64__)
__m128i load(const Block128& block) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(block.data())); }

Block128 store(__m128i value) {
  Block128 block;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(block.data()), value);
  return block;
}

__attribute__((target("aes"))) Block128 encryptByCpu(const std::array<Block128, 11>& keys, const Block128& block) {
  __m128i state = _mm_xor_si128(load(block), load(keys[0]));
  for (size_t round = 1; round < 10; round++) state = _mm_aesenc_si128(state, load(keys[round]));
  return store(_mm_aesenclast_si128(state, load(keys[10])));
}

__attribute__((target("aes"))) Block128 decryptByCpu(const std::array<Block128, 11>& keys, const Block128& block) {
  __m128i state = _mm_xor_si128(load(block), load(keys[0]));
  for (size_t round = 1; round < 10; round++) state = _mm_aesdec_si128(state, load(keys[round]));
  return store(_mm_aesdeclast_si128(state, load(keys[10])));
}

const bool kCpuHasAes = __builtin_cpu_supports("aes") != 0;
#else
constexpr bool kCpuHasAes = false;
#endif

}  // namespace

Aes128::Aes128(const uint8_t key[16]) {
  for (size_t i = 0; i < 16; i++) roundKeys_[0][i] = key[i];
  uint8_t constant = 1;
  for (size_t round = 1; round <= kRounds; round++, constant = timesX(constant)) {
    const Block128& before = roundKeys_[round - 1];
    Block128& next = roundKeys_[round];
    for (size_t i = 0; i < 4; i++) next[i] = before[i] ^ boxes().forward[before[12 + (i + 1) % 4]];
    next[0] ^= constant;
    for (size_t i = 4; i < 16; i++) next[i] = before[i] ^ next[i - 4];
  }
  for (size_t round = 0; round <= kRounds; round++) {
    inverseKeys_[round] = roundKeys_[kRounds - round];
    if (round != 0 && round != kRounds) mixColumns(inverseKeys_[round], kInverseMix);
  }
}

Block128 Aes128::encrypt(const Block128& block) const {
#if defined(__x86_64__)
  if (kCpuHasAes) return encryptByCpu(roundKeys_, block);
#endif
  return encryptPortably(block);
}

Block128 Aes128::decrypt(const Block128& block) const {
#if defined(__x86_64__)
  if (kCpuHasAes) return decryptByCpu(inverseKeys_, block);
#endif
  return decryptPortably(block);
}

bool Aes128::accelerated() { return kCpuHasAes; }

Block128 Aes128::encryptPortably(const Block128& block) const {
  Block128 state = block;
  addKey(state, roundKeys_[0]);
  for (size_t round = 1; round <= kRounds; round++) {
    state = shiftAndSubstitute(state, boxes().forward, 5);
    if (round != kRounds) mixColumns(state, kMix);
    addKey(state, roundKeys_[round]);
  }
  return state;
}

Block128 Aes128::decryptPortably(const Block128& block) const {
  Block128 state = block;
  addKey(state, inverseKeys_[0]);
  for (size_t round = 1; round <= kRounds; round++) {
    state = shiftAndSubstitute(state, boxes().inverse, 13);
    if (round != kRounds) mixColumns(state, kInverseMix);
    addKey(state, inverseKeys_[round]);
  }
  return state;
}

}  // namespace quicproxy
