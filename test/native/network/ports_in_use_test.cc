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

TEST(PortsInUse, OfReflectionAreFew) {
  EXPECT_TRUE(reflectedPorts()[11211]);
  EXPECT_LT(reflectedPorts().count(), 20U);
}

}  // namespace
}  // namespace quicproxy
