#include "host/ethtool_call.h"

#include <gtest/gtest.h>
#include <linux/ethtool.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace {

using quicproxy::host::callEthtool;
using quicproxy::host::kEthtoolAnswerMaximumBytes;
using quicproxy::host::Refusal;

std::vector<uint8_t> command(uint32_t value) {
  std::vector<uint8_t> octets(sizeof value);
  std::memcpy(octets.data(), &value, sizeof value);
  return octets;
}

int refusalOf(std::string_view name, const std::vector<uint8_t>& request, size_t answerBytes) {
  return std::get<Refusal>(callEthtool(name, request, answerBytes)).systemError;
}

TEST(EthtoolCall, BringsWhatTheKernelWroteAndZerosBehindIt) {
  // Every interface says whether it has a carrier.
  const auto result = callEthtool("lo", command(ETHTOOL_GLINK), 16);
  const auto& answer = std::get<std::vector<uint8_t>>(result);
  ASSERT_EQ(answer.size(), 16U);
  ethtool_value value{};
  std::memcpy(&value, answer.data(), sizeof value);
  EXPECT_EQ(value.cmd, static_cast<uint32_t>(ETHTOOL_GLINK));
  EXPECT_LE(value.data, 1U);
  for (size_t at = sizeof value; at < answer.size(); at++) EXPECT_EQ(answer[at], 0);
}

TEST(EthtoolCall, AnInterfaceThatIsNotThereIsRefused) {
  EXPECT_EQ(refusalOf("no-such-one", command(ETHTOOL_GLINK), 8), ENODEV);
  EXPECT_EQ(refusalOf("", command(ETHTOOL_GLINK), 8), ENODEV);
  EXPECT_EQ(refusalOf(std::string(16, 'x'), command(ETHTOOL_GLINK), 8), ENODEV);
  EXPECT_EQ(refusalOf(std::string(4096, 'x'), command(ETHTOOL_GLINK), 8), ENODEV);
}

TEST(EthtoolCall, WhatADriverDoesNotKnowIsRefused) {
  EXPECT_EQ(refusalOf("lo", command(ETHTOOL_GRINGPARAM), 36), EOPNOTSUPP);
}

TEST(EthtoolCall, RequestsAndAnswersHaveBounds) {
  EXPECT_EQ(refusalOf("lo", {}, 8), EINVAL);
  EXPECT_EQ(refusalOf("lo", command(ETHTOOL_GLINK), kEthtoolAnswerMaximumBytes + 1), EINVAL);
  EXPECT_EQ(refusalOf("lo", std::vector<uint8_t>(kEthtoolAnswerMaximumBytes + 1), 8), EINVAL);
  const auto largest = callEthtool("lo", command(ETHTOOL_GLINK), kEthtoolAnswerMaximumBytes);
  EXPECT_EQ(std::get<std::vector<uint8_t>>(largest).size(), kEthtoolAnswerMaximumBytes);
}

}  // namespace
