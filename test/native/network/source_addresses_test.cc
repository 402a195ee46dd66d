#include "network/source_addresses.h"

#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <algorithm>

#include "network_namespace.h"

namespace quicproxy {
namespace {

MappedAddress v4(uint8_t last) { return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 79, 2, last}; }
MappedAddress v6(uint8_t last) { return {0xfd, 0x79, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last}; }

LocalAddress lasting(const MappedAddress& address, int family) {
  const auto prefixBits = static_cast<uint8_t>(family == AF_INET ? 24 : 64);
  return {address, family, prefixBits, RT_SCOPE_UNIVERSE, 2, IFA_F_PERMANENT, 0, false};
}

TEST(SourceAddresses, OfTheSameSubnetAndScopeStandBesideTheRoutedOne) {
  const std::vector<LocalAddress> all{lasting(v4(1), AF_INET), lasting(v4(2), AF_INET), lasting(v6(3), AF_INET6)};
  EXPECT_EQ(sourcesBeside(v4(2), all), (std::vector{v4(2), v4(1)}));
  EXPECT_EQ(sourcesBeside(v6(3), all), std::vector{v6(3)});
  EXPECT_EQ(sourcesBeside(v4(9), all), std::vector{v4(9)}) << "not listed yet, but the kernel sends from it";
  EXPECT_EQ(sourcesBeside(v4(9), {}), std::vector{v4(9)}) << "the kernel refused the list";
}

TEST(SourceAddresses, ThatMayLeaveOrShouldBeginNothingAreNone) {
  const auto stands = [](int family, auto change) {
    const auto of = [family](uint8_t last) { return lasting(family == AF_INET ? v4(last) : v6(last), family); };
    LocalAddress other = of(2);
    change(other);
    const std::vector<LocalAddress> all{of(1), other};
    return sourcesBeside(of(1).address, all).size() == 2;
  };
  for (const int family : {AF_INET, AF_INET6}) {
    EXPECT_TRUE(stands(family, [](LocalAddress&) {}));
    const auto alone = static_cast<uint8_t>(family == AF_INET ? 32 : 128);
    EXPECT_FALSE(stands(family, [alone](LocalAddress& address) { address.prefixBits = alone; }));
    EXPECT_FALSE(stands(family, [](LocalAddress& address) { address.prefixBits -= 1; }));
    EXPECT_FALSE(stands(family, [](LocalAddress& address) { address.scope = RT_SCOPE_LINK; }));
    EXPECT_FALSE(stands(family, [](LocalAddress& address) { address.interface = 3; }));
    EXPECT_FALSE(stands(family, [](LocalAddress& address) { address.labelled = true; }));
    EXPECT_FALSE(stands(family, [](LocalAddress& address) { address.protocol = RTPROT_KEEPALIVED; }));
    EXPECT_FALSE(stands(family, [](LocalAddress& address) { address.flags = 0; })) << "it has a lifetime";
    for (const uint32_t flag : {IFA_F_DEPRECATED, IFA_F_TENTATIVE, IFA_F_DADFAILED, IFA_F_OPTIMISTIC}) {
      EXPECT_FALSE(stands(family, [flag](LocalAddress& address) { address.flags |= flag; })) << flag;
    }
  }
  EXPECT_FALSE(stands(AF_INET6, [](LocalAddress& address) { address.flags |= IFA_F_TEMPORARY; }));
  EXPECT_TRUE(stands(AF_INET, [](LocalAddress& address) { address.flags |= IFA_F_SECONDARY; }));
}

TEST(SourceAddresses, AreEightAtMost) {
  std::vector<LocalAddress> all;
  for (uint8_t i = 1; i < 20; i++) all.push_back(lasting(v4(i), AF_INET));
  EXPECT_EQ(sourcesBeside(v4(19), all).size(), kMaxSourceAddresses);
}

TEST(SourceAddresses, AreReadWithTheKernelsFlags) {
  std::vector<LocalAddress> all;
  const bool allowed = inNetworkNamespace([&] {
    ASSERT_TRUE(ip("link add d0 type veth peer name d1") && ip("link set d0 up") && ip("link set d1 up"));
    for (int i = 1; i < 200; i++) ASSERT_TRUE(ip("addr add 10.79.3." + std::to_string(i) + "/24 dev d0"));
    ASSERT_TRUE(ip("addr add 10.79.2.1/24 dev d0") && ip("addr add 10.79.2.2/24 dev d0 label d0:vip"));
    ASSERT_TRUE(ip("addr add fd79:2::3/64 dev d0 nodad preferred_lft 0"));
    all = readLocalAddresses();
  });
  if (!allowed) GTEST_SKIP() << "network namespaces need CAP_SYS_ADMIN";
  EXPECT_GT(all.size(), 200U) << "of several messages";
  const auto find = [&all](const MappedAddress& address) {
    const auto found = std::ranges::find(all, address, &LocalAddress::address);
    return found == all.end() ? LocalAddress{} : *found;
  };
  EXPECT_EQ(find(v4(1)).prefixBits, 24);
  EXPECT_NE(find(v4(1)).flags & IFA_F_PERMANENT, 0U);
  EXPECT_FALSE(find(v4(1)).labelled);
  EXPECT_TRUE(find(v4(2)).labelled);
  EXPECT_NE(find(v6(3)).flags & IFA_F_DEPRECATED, 0U);
}

}  // namespace
}  // namespace quicproxy
