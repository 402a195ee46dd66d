#include <gtest/gtest.h>

#include <cstdio>

#include "../route/routing_fixture.h"
#include "../worker/loopback_fixture.h"
#include "context/counter_region.h"
#include "context/worker_context.h"
#include "forward/raw_upstream.h"
#include "io/clock.h"

namespace quicproxy {
namespace {

/// Neither in the default range nor among the ports that the kernel picks: no other test is there.
constexpr uint16_t kFirst = 7168;
constexpr uint16_t kBlocks = 2;
constexpr uint16_t kBlock = UpstreamPorts::kBlockPorts;
constexpr uint32_t kFlows = 300;
constexpr uint32_t kMinuteMs = 60'000;
/// More than one look of the worker.
constexpr uint32_t kLaterMs = 2000;

/// Null, with the reason printed, where the kernel or the rights do not suffice.
template <typename Made>
Made madeOrNull(std::variant<Made, std::string> made) {
  if (auto* one = std::get_if<Made>(&made)) return std::move(*one);
  std::printf("%s\n", std::get<std::string>(made).c_str());
  return nullptr;
}

/// A worker whose clock the test has, before one backend.
class BlockRest : public testing::Test {
 protected:
  BlockRest() {
    Backend& backend = snapshot.backends.emplace_back();
    backend.address = SocketAddress::from(std::array<uint8_t, 16>{127, 0, 0, 1}.data(), 4, 4433);
    backend.state = BackendState::kActive;
    backend.sourceCount = 1;
    snapshot.sources.push_back(mappedOf(backend.address));
  }

  void SetUp() override {
    ports = madeOrNull(UpstreamPorts::create(kFirst, kFirst + kBlocks * kBlock - 1));
    if (ports) upstream = madeOrNull(RawUpstream::create({0, 2 * kFlows, {}, {1, 2}}, *ports));
    if (!upstream) GTEST_SKIP() << "no raw sockets or no SK_LOOKUP here";
    FlowTable& table = memory.table();
    context.reset(new WorkerContext{0,
                                    &snapshot,
                                    table,
                                    Router(table, lengths),
                                    Learner(table, lengths),
                                    *upstream,
                                    counters.of(0),
                                    {counters.of(0), {.readNs = 20, .oneIn = 16}, 0},
                                    {},
                                    {},
                                    {},
                                    {},
                                    monotonicMs()});
  }

  /// False where one got no port.
  bool open(uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
      const FourTuple tuple = tupleOf(7, static_cast<uint16_t>(1 + i));
      const uint32_t flow = context->flows.create({tuple, 0, 1, 0}, context->nowMs);
      if (flow == kNoFlow || upstream->open(*context, flow, 0) != Upstream::Outcome::kOpened) return false;
      open_.push_back(flow);
    }
    return true;
  }
  void endAll() {
    for (const uint32_t flow : open_) context->endFlow(flow);
    open_.clear();
  }
  void pass(uint32_t ms) {
    context->nowMs += ms;
    upstream->tend(*context);
  }

  Snapshot snapshot{};
  CounterRegion counters{1, 1};
  TableMemory memory{2 * kFlows};
  CidLengths lengths;
  std::unique_ptr<UpstreamPorts> ports;
  std::unique_ptr<RawUpstream> upstream;
  std::unique_ptr<WorkerContext> context;

 private:
  std::vector<uint32_t> open_;
};

TEST_F(BlockRest, ABlockThatNoFlowHasUsedForAMinuteGoesBackAndComesAgain) {
  ASSERT_TRUE(open(kFlows));
  ASSERT_EQ(ports->claimedBlocks(), 2U);
  pass(kMinuteMs + kLaterMs);
  EXPECT_EQ(ports->claimedBlocks(), 2U) << "both have flows";
  endAll();
  pass(kMinuteMs - kLaterMs);
  EXPECT_EQ(ports->claimedBlocks(), 2U) << "late replies may still come";
  EXPECT_FALSE(ports->claim(1, context->nowMs, UpstreamPorts::Need::kLast));
  pass(2 * kLaterMs);
  EXPECT_EQ(ports->claimedBlocks(), 1U) << "a worker keeps one";
  pass(2 * kMinuteMs);
  EXPECT_EQ(ports->claimedBlocks(), 1U);

  const auto other = ports->claim(1, context->nowMs, UpstreamPorts::Need::kLast);
  ASSERT_TRUE(other);
  EXPECT_FALSE(open(kFlows)) << "the other worker has it";
  endAll();
  ports->release(*other);
  EXPECT_TRUE(open(kFlows));
  EXPECT_EQ(ports->claimedBlocks(), 2U);
}

TEST_F(BlockRest, AFlowThatComesMeanwhileBeginsTheMinuteAnew) {
  ASSERT_TRUE(open(kFlows));
  endAll();
  pass(kMinuteMs - kLaterMs);
  ASSERT_TRUE(open(kFlows));
  endAll();
  pass(kMinuteMs - kLaterMs);
  EXPECT_EQ(ports->claimedBlocks(), 2U);
  pass(2 * kLaterMs);
  EXPECT_EQ(ports->claimedBlocks(), 1U);
}

}  // namespace
}  // namespace quicproxy
