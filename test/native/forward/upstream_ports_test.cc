#include "forward/upstream_ports.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <set>
#include <string>

#include "../worker/loopback_fixture.h"

namespace quicproxy {
namespace {

/// Neither in the default range nor among the ports that the kernel picks: no other test is there.
constexpr uint16_t kFirst = 8192;
constexpr uint16_t kBlock = UpstreamPorts::kBlockPorts;

/// Null, with the reason printed, where the kernel or the rights do not suffice.
std::unique_ptr<UpstreamPorts> portsOf(uint16_t first, uint16_t last) {
  auto made = UpstreamPorts::create(first, last);
  if (auto* ports = std::get_if<std::unique_ptr<UpstreamPorts>>(&made)) return std::move(*ports);
  std::printf("%s\n", std::get<std::string>(made).c_str());
  return nullptr;
}

bool isRefused(uint16_t first, uint16_t last) {
  const auto made = UpstreamPorts::create(first, last);
  const auto* reason = std::get_if<std::string>(&made);
  return reason != nullptr && reason->find("no whole block") != std::string::npos;
}

class UpstreamPortsTest : public testing::Test {
 protected:
  void SetUp() override {
    ports = portsOf(kFirst, kFirst + 4 * kBlock - 1);
    if (!ports) GTEST_SKIP() << "no SK_LOOKUP here";
  }

  std::unique_ptr<UpstreamPorts> ports;
};

TEST_F(UpstreamPortsTest, ARangeWithoutAWholeBlockIsRefusedWhereverItLies) {
  EXPECT_TRUE(isRefused(1, 254));
  EXPECT_TRUE(isRefused(1, 300));
  EXPECT_TRUE(isRefused(100, 100));
  EXPECT_TRUE(isRefused(1025, 1500));
  EXPECT_TRUE(isRefused(65'400, 65'535));
  const auto lowest = portsOf(1, 511);
  ASSERT_TRUE(lowest);
  EXPECT_EQ(lowest->first(), 256) << "port 0 is none";
  EXPECT_EQ(portsOf(1024, 65'535)->last(), 65'535);
}

TEST_F(UpstreamPortsTest, ABlockIsClaimedOnceAndFreeAgainAfterItsRelease) {
  std::set<uint8_t> blocks;
  for (int i = 0; i < 4; i++) blocks.insert(ports->claim(0, 0, UpstreamPorts::Need::kLast).value_or(0));
  EXPECT_EQ(blocks.size(), 4U);
  EXPECT_FALSE(ports->claim(1, 0, UpstreamPorts::Need::kLast));
  const uint8_t one = *blocks.begin();
  const auto port = static_cast<uint16_t>(one * kBlock + 9);
  EXPECT_TRUE(ports->isOwnedBy(0, port));
  EXPECT_FALSE(ports->isOwnedBy(0, static_cast<uint16_t>(one * kBlock))) << "its marker has it";
  ports->release(one);
  EXPECT_FALSE(ports->isOwnedBy(0, port));
  EXPECT_EQ(ports->claim(1, 0, UpstreamPorts::Need::kLast), one);
  EXPECT_TRUE(ports->isOwnedBy(1, port));
}

/// Late replies to the ports of a former process, or of flows that have ended, find no new flow at once.
TEST_F(UpstreamPortsTest, WhatWasJustGivenBackComesLastAndNoStartBeginsWhereTheOneBeforeDid) {
  const uint8_t first = ports->claim(0, 0, UpstreamPorts::Need::kLast).value_or(0);
  ports->release(first);
  for (int i = 0; i < 3; i++) EXPECT_NE(ports->claim(0, 0, UpstreamPorts::Need::kLast).value_or(0), first);
  EXPECT_EQ(ports->claim(0, 0, UpstreamPorts::Need::kLast), first);
  ports.reset();
  std::set<uint8_t> starts;
  for (int start = 0; start < 64; start++) {
    const auto next = portsOf(kFirst, kFirst + 4 * kBlock - 1);
    ASSERT_TRUE(next);
    starts.insert(next->claim(0, 0, UpstreamPorts::Need::kLast).value_or(0));
  }
  EXPECT_EQ(starts.size(), 4U) << "one of four is missed 64 times with a chance of 1 in 25 million";
}

TEST_F(UpstreamPortsTest, AListenerMayJoinTheMarkerAndStandsInForIt) {
  const auto block = ports->claim(0, 0, UpstreamPorts::Need::kLast);
  ASSERT_TRUE(block);
  const auto marker = static_cast<uint16_t>(*block * kBlock);
  const auto inner = static_cast<uint16_t>(marker + 5);
  EXPECT_FALSE(ports->lend(inner)) << "no marker is there";
  EXPECT_FALSE(LoopbackSocket(marker, true).bound());
  EXPECT_TRUE(ports->lend(marker));
  auto listener = std::make_unique<LoopbackSocket>(marker, true);
  EXPECT_TRUE(listener->bound());
  PortSet named;
  named.set(marker).set(inner);
  ports->spare(named, named);
  EXPECT_FALSE(ports->isOwnedBy(0, inner));
  EXPECT_FALSE(LoopbackSocket(marker).bound()) << "others are still kept out";
  ports->spare({}, {});
  listener.reset();
  EXPECT_TRUE(ports->isOwnedBy(0, inner));
  EXPECT_FALSE(LoopbackSocket(marker, true).bound()) << "the marker is back before the listener has gone";
  EXPECT_TRUE(ports->lend(marker));
  ports->spare({}, {});
  EXPECT_FALSE(LoopbackSocket(marker, true).bound()) << "nobody came: it is lent no more";
}

TEST_F(UpstreamPortsTest, APortThatAnotherProgramHasTakenIsLeftToItAndComesBack) {
  const auto block = ports->claim(0, 0, UpstreamPorts::Need::kLast);
  ASSERT_TRUE(block);
  const auto port = static_cast<uint16_t>(*block * kBlock + 7);
  LoopbackSocket own(static_cast<uint16_t>(port + 1));
  ASSERT_TRUE(own.bound());
  const std::string program =
      "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
      "s.bind(('127.0.0.1', " +
      std::to_string(port) + ")); sys.stdin.read()";
  FILE* other = popen(("python3 -c \"" + program + "\"").c_str(), "we");
  ASSERT_NE(other, nullptr);
  EXPECT_TRUE(eventually([port] { return portsInUse().test(port); }));
  ports->yieldToOthers();
  EXPECT_TRUE(ports->isOwnedBy(0, port)) << "it may be a socket that was just closed";
  ports->yieldToOthers();
  EXPECT_FALSE(ports->isOwnedBy(0, port));
  EXPECT_TRUE(ports->isOwnedBy(0, own.port())) << "ours are no others'";
  ASSERT_EQ(pclose(other), 0);
  ports->yieldToOthers();
  EXPECT_TRUE(ports->isOwnedBy(0, port));
}

}  // namespace
}  // namespace quicproxy
