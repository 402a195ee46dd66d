#include "snapshot/explain.h"

#include <gtest/gtest.h>

#include "../abi/contract_sample.h"
#include "../route/routing_fixture.h"

namespace quicproxy {
namespace {

Explanation explained(const ContractSample& contract, const std::vector<uint8_t>& datagram) {
  auto result = explain(contract.bytes(), tupleOf(7, 1000), datagram);
  if (auto* failure = std::get_if<Failure>(&result)) {
    ADD_FAILURE() << failure->detail;
    return {};
  }
  return std::get<Explanation>(std::move(result));
}

TEST(Explain, NamesTheServerIdAndItsBackend) {
  const ContractSample contract(2, 3);
  const Explanation result = explained(contract, shortHeader({0x00, 1, 2, 3, 9, 9, 9, 9}));
  EXPECT_EQ(result.decision.rule, Rule::kQuicLb);
  EXPECT_EQ(result.rotation, 0);
  ASSERT_TRUE(result.serverId);
  EXPECT_EQ(result.serverId->octets[2], 3);
  EXPECT_EQ(result.backend, "10.0.0.0 4433");
}

TEST(Explain, SaysWhereTheDatagramGoesOnceItsBackendIsGone) {
  ContractSample contract(2, 4);
  for (BackendRecord& backend : contract.backends) backend.weight = 1;
  const auto datagram = longHeader(cidOf(0xe0), cidOf(1));
  const Explanation before = explained(contract, datagram);
  EXPECT_EQ(before.decision.rule, Rule::kFallback);
  EXPECT_NE(before.backendWithoutIt, before.backend);
  // The promise holds: with the backend removed from the contract the datagram goes there.
  ContractSample without = contract;
  without.serverIds.clear();
  std::erase_if(without.backends, [&](const BackendRecord& record) {
    ContractSample one = contract;
    one.backends = {record};
    one.serverIds.clear();
    one.layOut();
    return explained(one, datagram).backend == before.backend;
  });
  ASSERT_EQ(without.backends.size(), 3U);
  without.layOut();
  EXPECT_EQ(explained(without, datagram).backend, before.backendWithoutIt);
}

TEST(Explain, WithoutBackendsNothingIsRouted) {
  const Explanation result = explained(ContractSample(1, 0), longHeader(cidOf(1), {}));
  EXPECT_EQ(result.decision.rule, Rule::kNone);
  EXPECT_EQ(result.backend, "");
}

TEST(Explain, AnUnsoundContractIsRefused) {
  const std::vector<uint8_t> nothing;
  EXPECT_TRUE(std::holds_alternative<Failure>(explain(nothing, tupleOf(1, 1), nothing)));
}

}  // namespace
}  // namespace quicproxy
