#include "context/batch_sampler.h"

#include <gtest/gtest.h>

#include <set>

namespace quicproxy {
namespace {

TEST(BatchSampler, PicksOneInSoManyOnAverageAtIrregularDistances) {
  for (const uint32_t seed : {0U, 1U, 2U, 127U}) {
    BatchSampler sampler(16, seed);
    constexpr uint32_t kBatches = 160'000;
    uint32_t picked = 0;
    uint32_t last = 0;
    std::set<uint32_t> distances;
    for (uint32_t batch = 0; batch < kBatches; batch++) {
      if (!sampler.due()) continue;
      picked++;
      distances.insert(batch - last);
      last = batch;
    }
    EXPECT_NEAR(picked, kBatches / 16, kBatches / 160) << seed;
    EXPECT_GE(distances.size(), 31U);
    EXPECT_LE(*distances.rbegin(), 31U);
  }
}

TEST(BatchSampler, OneInOneIsEvery) {
  BatchSampler sampler(1, 5);
  for (int batch = 0; batch < 100; batch++) EXPECT_TRUE(sampler.due());
}

TEST(BatchSampler, WhatWasPutOffIsTheNextBatch) {
  BatchSampler sampler(1024, 1);
  while (!sampler.due()) {
  }
  sampler.putOff();
  EXPECT_TRUE(sampler.due());
}

}  // namespace
}  // namespace quicproxy
