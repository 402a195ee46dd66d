#include <string>

#include "io/clock.h"
#include "loopback_fixture.h"
#include "stalled_worker.h"

namespace quicproxy {
namespace {

constexpr uint32_t kRoundTrips = 400;

class WorkerTimes : public testing::TestWithParam<Mode> {
 protected:
  void SetUp() override {
    LoopbackContract contract(unusedPort(), {backend.port()});
    contract.sample.header.mode = GetParam();
    contract.sample.header.workers = 1;
    if (GetParam() == Mode::kBaseline) contract.sample.header.batch = 1;
    port = contract.sample.endpoints[0].port;
    plane = startOrFail(contract);
    ASSERT_TRUE(plane);
  }

  void roundTrips(uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
      ASSERT_TRUE(client.send(port, shortPacket(1)));
      const auto seen = backend.receive();
      ASSERT_TRUE(seen);
      ASSERT_TRUE(backend.send(seen->fromPort, shortPacket(2)));
      ASSERT_TRUE(client.receive());
    }
  }
  [[nodiscard]] TimeHistogram histogram(Timing timing) const { return plane->counters()->of(0).histogram(timing); }
  [[nodiscard]] uint64_t timed(Timing timing) const {
    uint64_t datagrams = 0;
    for (uint32_t bucket = 0; bucket < kTimeBuckets; bucket++) datagrams += histogram(timing).count(bucket);
    return datagrams;
  }

  LoopbackSocket backend;
  LoopbackSocket client;
  uint16_t port = 0;
  std::unique_ptr<DataPlane> plane;
};

TEST_P(WorkerTimes, SomeDatagramsOfEachDirectionAreTimed) {
  // One in 4,096 on a host whose clock is slow beyond measure.
  const uint32_t oneIn = plane->status().clock.oneIn;
  if (oneIn > kRoundTrips / 4) GTEST_SKIP() << "one batch in " << oneIn << " is timed here";
  roundTrips(kRoundTrips);
  ASSERT_TRUE(eventually([&] { return counterOf(*plane, Counter::return_sent) == kRoundTrips; }));
  for (const Timing timing :
       {Timing::kForwardService, Timing::kReturnService, Timing::kForwardResidence, Timing::kReturnResidence}) {
    EXPECT_GT(timed(timing), 0U) << static_cast<int>(timing);
    EXPECT_LT(timed(timing), kRoundTrips) << static_cast<int>(timing);
    EXPECT_GT(histogram(timing).sumNs(), 0U) << static_cast<int>(timing);
  }
}

/// In Decoupled the two are of different batches.
TEST_P(WorkerTimes, ADatagramIsInTheProxyAtLeastAsLongAsItsShareOfTheWork) {
  if (GetParam() == Mode::kDecoupled) return;
  roundTrips(kRoundTrips);
  ASSERT_TRUE(eventually([&] { return counterOf(*plane, Counter::return_sent) == kRoundTrips; }));
  EXPECT_EQ(timed(Timing::kForwardService), timed(Timing::kForwardResidence));
  EXPECT_EQ(timed(Timing::kReturnService), timed(Timing::kReturnResidence));
  EXPECT_LE(histogram(Timing::kForwardService).sumNs(), histogram(Timing::kForwardResidence).sumNs());
  EXPECT_LE(histogram(Timing::kReturnService).sumNs(), histogram(Timing::kReturnResidence).sumNs());
}

TEST_P(WorkerTimes, WorkAndRestAreNoLongerThanTheTimeThatPassed) {
  const uint64_t beganNs = monotonicNs();
  roundTrips(kRoundTrips);
  plane->stop();
  const uint64_t elapsedNs = monotonicNs() - beganNs;
  const auto* block = plane->counters()->data();
  CountersHeader header;
  std::memcpy(&header, block, sizeof header);
  const auto workedNs = [&](uint32_t offset) {
    return reinterpret_cast<const CounterCell*>(block + header.workerOffset + offset)->get();
  };
  EXPECT_GT(workedNs(header.timingOffset), 0U);
  // The threads had begun before the first datagram came: a few wake-ups of their start.
  constexpr uint64_t kStartNs = 1'000'000'000;
  EXPECT_LT(workedNs(header.timingOffset), elapsedNs + kStartNs);
  if (GetParam() == Mode::kDecoupled) {
    EXPECT_GT(workedNs(header.receiverOffset), 0U);
    EXPECT_LT(workedNs(header.receiverOffset), elapsedNs + kStartNs);
  } else {
    EXPECT_EQ(workedNs(header.receiverOffset), 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, WorkerTimes, testing::Values(Mode::kRunToCompletion, Mode::kBaseline, Mode::kDecoupled),
                         [](const auto& mode) -> std::string {
                           switch (mode.param) {
                             case Mode::kBaseline:
                               return "Baseline";
                             case Mode::kDecoupled:
                               return "Decoupled";
                             default:
                               return "RunToCompletion";
                           }
                         });

/// What waits in a worker's socket is told while the worker stands still.
TEST(WorkerSockets, TellWhatWaitsInThem) {
  LoopbackSocket backend;
  LoopbackSocket client;
  LoopbackContract contract(unusedPort(), {backend.port()});
  contract.sample.header.workers = 1;
  const auto plane = startOrFail(contract);
  ASSERT_TRUE(plane);
  const auto socketOf = [&] { return plane->status().endpoints[0].sockets.at(0); };
  EXPECT_GT(socketOf().receiveBufferBytes, 0U);
  {
    const StalledThread worker("qp-worker-0");
    if (!worker.stands()) GTEST_SKIP() << "holding a thread needs ptrace";
    for (int i = 0; i < 10; i++) ASSERT_TRUE(client.send(contract.sample.endpoints[0].port, shortPacket(9)));
    ASSERT_TRUE(client.allDelivered());
    EXPECT_GT(socketOf().queuedBytes, 0U);
    EXPECT_EQ(socketOf().kernelDrops, 0U);
  }
  EXPECT_TRUE(eventually([&] { return socketOf().queuedBytes == 0; }));
}

}  // namespace
}  // namespace quicproxy
