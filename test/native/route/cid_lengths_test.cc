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
  for (const uint8_t length : {8, 20, 4, 8}) EXPECT_TRUE(lengths.add(length, 0));
  EXPECT_EQ(listOf(lengths), (std::vector<int>{20, 8, 4}));
  EXPECT_FALSE(lengths.empty());
}

TEST(CidLengths, NeverLearnsLengthsThatNameNobodyOrLieBeyondVersionOne) {
  CidLengths lengths;
  for (const uint8_t length : {0, 1, 2, 3, 21, 31, 32, 33, 64, 255})
    EXPECT_FALSE(lengths.add(length, 0)) << int{length};
  EXPECT_TRUE(lengths.empty());
}

TEST(CidLengths, LearnsEachLengthOfVersionOne) {
  for (uint8_t length = CidLengths::kMinLength; length <= CidLengths::kMaxLength; ++length) {
    CidLengths lengths;
    EXPECT_TRUE(lengths.add(length, 0));
    EXPECT_EQ(listOf(lengths), std::vector<int>{length});
  }
}

TEST(CidLengths, StaysWithinItsBoundWhateverABackendDraws) {
  CidLengths lengths;
  for (int length = 1; length <= 255; ++length) {
    const bool fits = length >= CidLengths::kMinLength && length < CidLengths::kMinLength + CidLengths::kMaxDistinct;
    EXPECT_EQ(lengths.add(static_cast<uint8_t>(length), 0), fits);
  }
  EXPECT_EQ(listOf(lengths), (std::vector<int>{11, 10, 9, 8, 7, 6, 5, 4}));
  EXPECT_TRUE(lengths.add(5, 0)) << "a known length stays known";
}

TEST(CidLengths, TheOneThatWasNotShownForLongestGivesWay) {
  CidLengths lengths;
  for (uint8_t length = 4; length < 12; ++length) EXPECT_TRUE(lengths.add(length, length * 1000U));
  EXPECT_TRUE(lengths.add(4, 13'000));
  EXPECT_FALSE(lengths.add(16, 13'000)) << "the oldest was shown 8 s ago";
  EXPECT_TRUE(lengths.add(16, 15'000));
  EXPECT_EQ(listOf(lengths), (std::vector<int>{16, 11, 10, 9, 8, 7, 6, 4}));
}

TEST(CidLengths, WhatNobodyShowsIsForgotten) {
  CidLengths lengths;
  EXPECT_TRUE(lengths.add(8, 0xfffff000));
  EXPECT_TRUE(lengths.add(18, 0xfffff000));
  const uint32_t later = 0xfffff000 + CidLengths::kForgottenMs;
  EXPECT_TRUE(lengths.add(18, later - 1));
  lengths.forgetUnseen(later - 1);
  EXPECT_EQ(listOf(lengths), (std::vector<int>{18, 8}));
  lengths.forgetUnseen(later);
  EXPECT_EQ(listOf(lengths), (std::vector<int>{18}));
}

TEST(CidLengths, HoldsItsBoundUnderManyWriters) {
  for (int round = 0; round < 50; ++round) {
    CidLengths lengths;
    std::vector<std::thread> writers;
    for (uint8_t start = 4; start <= 7; ++start) {
      writers.emplace_back([&lengths, start] {
        for (uint8_t length = start; length <= CidLengths::kMaxLength; length += 4) lengths.add(length, 0);
      });
    }
    for (std::thread& writer : writers) writer.join();
    EXPECT_EQ(listOf(lengths).size(), size_t{CidLengths::kMaxDistinct});
  }
}

}  // namespace
}  // namespace quicproxy
