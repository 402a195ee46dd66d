#include "host/netlink_exchange.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <cstring>

namespace {

using quicproxy::host::exchangeNetlink;
using quicproxy::host::NetlinkLimits;
using quicproxy::host::Refusal;

constexpr NetlinkLimits kAmple{.deadlineMs = 5'000, .maximumBytes = size_t{16} * 1024 * 1024};

struct LinkRequest {
  nlmsghdr header;
  ifinfomsg body;
};

std::vector<uint8_t> linkRequest(uint16_t flags, int index = 0) {
  LinkRequest request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  request.body.ifi_index = index;
  std::vector<uint8_t> octets(sizeof request);
  std::memcpy(octets.data(), &request, sizeof request);
  return octets;
}

std::vector<uint16_t> typesOf(const std::vector<uint8_t>& answer) {
  std::vector<uint16_t> types;
  nlmsghdr header{};
  for (size_t at = 0; at + sizeof header <= answer.size(); at += NLMSG_ALIGN(header.nlmsg_len)) {
    std::memcpy(&header, answer.data() + at, sizeof header);
    if (header.nlmsg_len < sizeof header) break;
    types.push_back(header.nlmsg_type);
  }
  return types;
}

TEST(NetlinkExchange, ADumpEndsWithItsEnd) {
  const auto result = exchangeNetlink(NETLINK_ROUTE, linkRequest(NLM_F_DUMP), kAmple);
  const auto types = typesOf(std::get<std::vector<uint8_t>>(result));
  ASSERT_GE(types.size(), 2U);
  EXPECT_EQ(types.front(), RTM_NEWLINK);
  EXPECT_EQ(types.back(), NLMSG_DONE);
}

TEST(NetlinkExchange, OneObjectIsOneMessage) {
  const auto result = exchangeNetlink(NETLINK_ROUTE, linkRequest(0, 1), kAmple);
  EXPECT_EQ(typesOf(std::get<std::vector<uint8_t>>(result)), std::vector<uint16_t>{RTM_NEWLINK});
}

TEST(NetlinkExchange, ARefusalOfTheKernelIsPartOfTheAnswer) {
  const auto result = exchangeNetlink(NETLINK_ROUTE, linkRequest(0, 0x7fffffff), kAmple);
  EXPECT_EQ(typesOf(std::get<std::vector<uint8_t>>(result)), std::vector<uint16_t>{NLMSG_ERROR});
}

TEST(NetlinkExchange, ARequestThatSaysAnotherLengthIsNotSent) {
  auto request = linkRequest(NLM_F_DUMP);
  request.push_back(0);
  EXPECT_EQ(std::get<Refusal>(exchangeNetlink(NETLINK_ROUTE, request, kAmple)).systemError, EINVAL);
  EXPECT_EQ(std::get<Refusal>(exchangeNetlink(NETLINK_ROUTE, {}, kAmple)).systemError, EINVAL);
}

TEST(NetlinkExchange, AProtocolThatTheKernelDoesNotHaveIsRefused) {
  const auto result = exchangeNetlink(31, linkRequest(NLM_F_DUMP), kAmple);
  EXPECT_EQ(std::get<Refusal>(result).systemError, EPROTONOSUPPORT);
}

TEST(NetlinkExchange, WhoGetsNoAnswerWaitsNoLongerThanToldAndHasNone) {
  // The kernel answers nothing to a message that is no request.
  auto request = linkRequest(0, 1);
  nlmsghdr header{};
  std::memcpy(&header, request.data(), sizeof header);
  header.nlmsg_flags = 0;
  std::memcpy(request.data(), &header, sizeof header);
  const auto result = exchangeNetlink(NETLINK_ROUTE, request, {.deadlineMs = 20, .maximumBytes = 1024});
  EXPECT_TRUE(std::get<std::vector<uint8_t>>(result).empty());
}

TEST(NetlinkExchange, AnAnswerStopsAtItsBoundWithoutAnEnd) {
  const auto none = exchangeNetlink(NETLINK_ROUTE, linkRequest(NLM_F_DUMP), {.deadlineMs = 5'000, .maximumBytes = 0});
  EXPECT_TRUE(std::get<std::vector<uint8_t>>(none).empty());
  // The end of a dump comes by itself, after the links.
  const auto some = exchangeNetlink(NETLINK_ROUTE, linkRequest(NLM_F_DUMP), {.deadlineMs = 5'000, .maximumBytes = 1});
  const auto types = typesOf(std::get<std::vector<uint8_t>>(some));
  ASSERT_FALSE(types.empty());
  EXPECT_EQ(types.front(), RTM_NEWLINK);
}

}  // namespace
