#include "network/ports_in_use.h"

#include <gtest/gtest.h>

namespace quicproxy {
namespace {

TEST(PortsInUse, AreReadFromTheKernelsTables) {
  PortSet ports;
  addLocalPorts(
      "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "  318: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 0\n"
      " 1104: 00000000:0BE5 0A00020F:2710 01 00000000:00000000 00:00000000 00000000     0        0 1 2 0 0\n"
      "  9: 00000000000000000000000001000000:FFFF 00000000000000000000000000000000:0000 07\n"
      "  9: 00000000:12",
      ports);
  EXPECT_EQ(ports.count(), 3U);
  EXPECT_TRUE(ports[53] && ports[0x0be5] && ports[65535]);
}

TEST(PortsInUse, AreToldApartByWhoseSocketItIs) {
  PortSet ports;
  const std::set<uint64_t> inodes{70001};
  addLocalPorts(
      "  318: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 70001 2 0 0\n"
      " 1104: 00000000:0BE5 0A00020F:2710 01 00000000:00000000 00:00000000 00000000     0        0 70002 2 0 0\n",
      ports, &inodes);
  EXPECT_TRUE(ports[53]);
  EXPECT_EQ(ports.count(), 1U);
}

TEST(PortsInUse, ThatTheKernelPicksFromAreCountedWithoutTheReservedOnes) {
  EXPECT_EQ(ephemeralPortCount("32768\t60999\n", "\n"), 28232U);
  EXPECT_EQ(ephemeralPortCount("40000\t40199\n", "39000-40009,40100,40190-50000\n"), 179U);
  EXPECT_EQ(ephemeralPortCount("40000\t40199\n", "1-65535"), 0U);
  for (const char* broken : {"", "x y", "5 4", "40000", "1 70000"}) EXPECT_EQ(ephemeralPortCount(broken, ""), 0U);
  EXPECT_GT(ephemeralPortCount(), 0U);
}

TEST(PortsInUse, OfReflectionAreFew) {
  EXPECT_TRUE(reflectedPorts()[11211]);
  EXPECT_LT(reflectedPorts().count(), 20U);
}

}  // namespace
}  // namespace quicproxy
