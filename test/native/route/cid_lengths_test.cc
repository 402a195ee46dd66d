#include "route/cid_lengths.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace quicproxy {
namespace {

std::vector<int> listOf(const CidLengths& lengths) {
  std::vector<int> out;
  for (const uint8_t length : lengths.longestFirst()) out.push_back(length);
  return out;
}

TEST(CidLengths, StartsEmpty) {
  const CidLengths lengths;
  EXPECT_TRUE(lengths.empty());
  EXPECT_TRUE(listOf(lengths).empty());
}

TEST(CidLengths, ListsTheLongestFirst) {
  CidLengths lengths;
  for (const uint8_t length : {8, 20, 4, 8}) EXPECT_TRUE(lengths.add(length));
  EXPECT_EQ(listOf(lengths), (std::vector<int>{20, 8, 4}));
  EXPECT_FALSE(lengths.empty());
}

TEST(CidLengths, NeverLearnsTheEmptyConnectionIdOrOneBeyondVersionOne) {
  CidLengths lengths;
  for (const uint8_t length : {0, 21, 31, 32, 33, 64, 255}) EXPECT_FALSE(lengths.add(length)) << int{length};
  EXPECT_TRUE(lengths.empty());
}

TEST(CidLengths, LearnsEachLengthOfVersionOne) {
  for (uint8_t length = 1; length <= CidLengths::kMaxLength; ++length) {
    CidLengths lengths;
    EXPECT_TRUE(lengths.add(length));
    EXPECT_EQ(listOf(lengths), std::vector<int>{length});
  }
}

TEST(CidLengths, StaysWithinItsBoundWhateverABackendDraws) {
  CidLengths lengths;
  for (int length = 1; length <= 255; ++length) {
    EXPECT_EQ(lengths.add(static_cast<uint8_t>(length)), length <= CidLengths::kMaxDistinct);
  }
  EXPECT_EQ(listOf(lengths), (std::vector<int>{4, 3, 2, 1}));
  EXPECT_TRUE(lengths.add(2)) << "a known length stays known";
}

TEST(CidLengths, HoldsItsBoundUnderManyWriters) {
  for (int round = 0; round < 50; ++round) {
    CidLengths lengths;
    std::vector<std::thread> writers;
    for (uint8_t start = 1; start <= 4; ++start) {
      writers.emplace_back([&lengths, start] {
        for (uint8_t length = start; length <= CidLengths::kMaxLength; length += 4) lengths.add(length);
      });
    }
    for (std::thread& writer : writers) writer.join();
    EXPECT_EQ(listOf(lengths).size(), size_t{CidLengths::kMaxDistinct});
  }
}

}  // namespace
}  // namespace quicproxy
