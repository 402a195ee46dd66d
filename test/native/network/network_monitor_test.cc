#include "network/network_monitor.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <thread>

#include "io/clock.h"
#include "network_namespace.h"

namespace quicproxy {
namespace {

TEST(NetworkMonitor, TellsOfAddressesRoutesRulesAndLinksOnceForMany) {
  const bool allowed = inNetworkNamespace([] {
    ASSERT_TRUE(ip("link add d0 type veth peer name d1") && ip("link set d0 up") && ip("link set d1 up"));
    NetworkMonitor monitor;
    ASSERT_TRUE(monitor.hearsEvents());
    for (const char* change : {"addr add 10.79.2.1/24 dev d0", "route add 10.79.9.0/24 dev d0", "link set d0 mtu 1400",
                               "rule add from 10.79.9.9 table 100", "-6 rule add from fd79::9 table 100",
                               "-6 route add fd79:9::/64 dev d0", "addr del 10.79.2.1/24 dev d0"}) {
      const uint32_t beganMs = monotonicMs();
      ASSERT_TRUE(ip(change)) << change;
      EXPECT_TRUE(monitor.wait());
      EXPECT_LT(monotonicMs() - beganMs, uint32_t{NetworkMonitor::kPollMs}) << change;
    }
    // More than the socket holds (ENOBUFS), and all of it is one change.
    ASSERT_TRUE(std::system("for i in $(seq 1 250); do for j in $(seq 1 20); do "
                            "echo route add 10.$((80 + j)).$i.0/24 dev d0; done; done | ip -batch -") == 0);
    EXPECT_TRUE(monitor.wait());
    std::thread stopper([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      monitor.stop();
    });
    EXPECT_FALSE(monitor.wait()) << "nothing else had changed";
    EXPECT_FALSE(monitor.rest(60'000));
    stopper.join();
  });
  if (!allowed) GTEST_SKIP() << "network namespaces need CAP_SYS_ADMIN";
}

TEST(NetworkMonitor, LooksByTheClockWhereTheKernelRefusesEvents) {
  rlimit present{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &present), 0);
  rlimit none = present;
  none.rlim_cur = 0;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  NetworkMonitor monitor;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &present), 0);
  ASSERT_FALSE(monitor.hearsEvents());
  EXPECT_TRUE(monitor.wait());
}

}  // namespace
}  // namespace quicproxy
