#include "loopback_fixture.h"

namespace quicproxy {
namespace {

/// Mode and upstream level.
class IcmpErrorsOfClients : public testing::TestWithParam<std::tuple<Mode, UpstreamLevel>> {};

/// On the loopback device the error comes back before the send call ends: every datagram to the client that is gone
/// leaves one for the next call on the listening socket, be it for whomever.
TEST_P(IcmpErrorsOfClients, CostOthersNothing) {
  LoopbackSocket backend;
  LoopbackSocket stays;
  auto gone = std::make_unique<LoopbackSocket>();
  LoopbackContract contract(unusedPort(), {backend.port()});
  contract.sample.header.mode = std::get<0>(GetParam());
  contract.sample.header.upstreamLevel = std::get<1>(GetParam());
  contract.sample.header.workers = 1;
  const uint16_t port = contract.sample.endpoints[0].port;
  const auto plane = startOrFail(contract);
  ASSERT_TRUE(gone->send(port, shortPacket(1)));
  const auto towardGone = backend.receive();
  ASSERT_TRUE(towardGone);
  ASSERT_TRUE(stays.send(port, shortPacket(2)));
  const auto towardStays = backend.receive();
  ASSERT_TRUE(towardStays);
  gone.reset();

  constexpr uint32_t kRounds = 200;
  for (uint32_t i = 0; i < kRounds; i++) {
    ASSERT_TRUE(backend.send(towardGone->fromPort, shortPacket(3)));
    ASSERT_TRUE(backend.send(towardStays->fromPort, shortPacket(4)));
    ASSERT_TRUE(backend.send(towardGone->fromPort, shortPacket(5)));
    ASSERT_TRUE(stays.send(port, shortPacket(6)));
    ASSERT_TRUE(stays.receive()) << i;
    ASSERT_TRUE(backend.receive()) << i;
  }
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::return_sent) == 3 * kRounds; }))
      << counterOf(*plane, Counter::return_sent);
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::forward_sent) == 2 + kRounds; }));
  EXPECT_EQ(counterOf(*plane, Counter::return_dropped_unreachable), 0U);
  EXPECT_EQ(counterOf(*plane, Counter::return_dropped_error), 0U);
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::receive_icmp_errors) > 0; }));
  // Nothing is left that would wake a worker for ever.
  const uint64_t seen = counterOf(*plane, Counter::receive_icmp_errors);
  EXPECT_LE(seen, 2 * kRounds);
}

INSTANTIATE_TEST_SUITE_P(Levels, IcmpErrorsOfClients,
                         testing::Combine(testing::Values(Mode::kRunToCompletion, Mode::kDecoupled, Mode::kBaseline),
                                          testing::Values(UpstreamLevel::kAuto, UpstreamLevel::kSockets)));

}  // namespace
}  // namespace quicproxy
