#include "route/siphash.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <numeric>
#include <span>
#include <vector>

#include "siphash_vectors.h"

namespace quicproxy {
namespace {

SipKey referenceKey() {
  std::array<uint8_t, 16> octets{};
  std::iota(octets.begin(), octets.end(), uint8_t{0});
  return SipKey::from(octets.data());
}

/// Of exactly `size` octets on the heap, so that AddressSanitizer sees a load beyond the end.
std::vector<uint8_t> counting(size_t size) {
  std::vector<uint8_t> octets(size);
  octets.shrink_to_fit();
  std::iota(octets.begin(), octets.end(), uint8_t{0});
  return octets;
}

TEST(SipHash, MatchesTheReferenceVectorsOf64Bits) {
  for (size_t size = 0; size < kSipHash64Vectors.size(); ++size) {
    EXPECT_EQ(sipHash64(referenceKey(), counting(size)), kSipHash64Vectors[size]) << size << " octets";
  }
}

TEST(SipHash, MatchesTheReferenceVectorsOf128Bits) {
  for (size_t size = 0; size < kSipHash128Vectors.size(); ++size) {
    EXPECT_EQ(sipHash128(referenceKey(), counting(size)), kSipHash128Vectors[size]) << size << " octets";
  }
}

TEST(SipHash, DoesNotDependOnTheAlignmentOfItsInput) {
  const std::vector<uint8_t> octets = counting(40);
  for (size_t shift = 0; shift < 8; ++shift) {
    std::vector<uint8_t> shifted(shift);
    shifted.insert(shifted.end(), octets.begin(), octets.end());
    EXPECT_EQ(sipHash64(referenceKey(), std::span(shifted).subspan(shift)), kSipHash64Vectors[40]);
  }
}

TEST(SipHash, DependsOnBothWordsOfTheKey) {
  const std::vector<uint8_t> octets = counting(20);
  const SipKey key = referenceKey();
  EXPECT_NE(sipHash128(key, octets), sipHash128({key.k0 ^ 1, key.k1}, octets));
  EXPECT_NE(sipHash128(key, octets), sipHash128({key.k0, key.k1 ^ 1}, octets));
}

}  // namespace
}  // namespace quicproxy
