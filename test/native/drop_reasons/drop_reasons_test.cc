#include "drop_reasons/drop_reasons.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "../network/network_namespace.h"

namespace quicproxy {
namespace {

using Cause = DropReasonsRefusal::Cause;
using Witness = DropReasonsSettings::Witness;

constexpr uint16_t kPort = 4433;
constexpr uint16_t kNobodysPort = 4434;

uint32_t ownNamespace() {
  struct stat status{};
  return stat("/proc/thread-self/ns/net", &status) == 0 ? static_cast<uint32_t>(status.st_ino) : 0;
}

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void sendTo(uint16_t port, int times) {
  const FileDescriptor sender(socket(AF_INET, SOCK_DGRAM, 0));
  const sockaddr_in address = loopback(port);
  for (int i = 0; i < times; i++) {
    sendto(sender.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
}

FileDescriptor listenOn(uint16_t port) {
  FileDescriptor listener(socket(AF_INET, SOCK_DGRAM, 0));
  const int smallest = 1;
  setsockopt(listener.get(), SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest);
  const sockaddr_in address = loopback(port);
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) listener.reset();
  return listener;
}

uint64_t cookieOf(const FileDescriptor& socket) {
  uint64_t cookie = 0;
  socklen_t octets = sizeof cookie;
  return getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &octets) == 0 ? cookie : 0;
}

/// Runs `act` in a network of its own, watched at kPort. Skips where the host gives no such witness.
template <typename Act>
void watched(DropReasonsSettings settings, Act act) {
  bool mayAttach = true;
  const bool mayUnshare = inNetworkNamespace([&] {
    ASSERT_TRUE(ip("link set lo up"));
    const std::array namespaces{ownNamespace()};
    const std::array ports{kPort};
    settings.namespaces = namespaces;
    settings.ports = ports;
    auto attached = DropReasons::attach(settings);
    if (const auto* refusal = std::get_if<DropReasonsRefusal>(&attached)) {
      mayAttach = refusal->cause != Cause::NoRights && refusal->cause != Cause::NoTypes;
      ASSERT_FALSE(mayAttach) << refusal->why;
      return;
    }
    act(std::get<DropReasons>(attached));
  });
  if (!mayUnshare || !mayAttach) GTEST_SKIP() << "not allowed here";
}

std::vector<DropEntry> at(const DropTotals& totals, uint16_t port) {
  std::vector<DropEntry> found;
  std::ranges::copy_if(totals.entries, std::back_inserter(found),
                       [port](const DropEntry& entry) { return entry.key.port == port; });
  return found;
}

TEST(DropReasons, CountsWhatAFullSocketRefuses) {
  watched({}, [](DropReasons& reasons) {
    const FileDescriptor listener = listenOn(kPort);
    const uint64_t cookie = cookieOf(listener);
    sendTo(kPort, 100);
    const std::vector<DropEntry> entries = at(reasons.read(), kPort);
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0].key.cookie, cookie);
    EXPECT_EQ(entries[0].key.port, kPort);
    EXPECT_EQ(entries[0].key.family, 4);
    EXPECT_EQ(entries[0].key.ifindex, 1U);
    EXPECT_GT(entries[0].count.skbs, 0U);
    EXPECT_LT(entries[0].count.skbs, 100U);
    EXPECT_EQ(entries[0].count.datagrams, entries[0].count.skbs);

    char octet = 0;
    uint64_t delivered = 0;
    while (recv(listener.get(), &octet, 1, MSG_DONTWAIT) == 1) delivered++;
    EXPECT_EQ(entries[0].count.skbs + delivered, 100U);
  });
}

TEST(DropReasons, CountsTheSameByQueueFailuresAlone) {
  watched({.witness = Witness::QueueFailures}, [](DropReasons& reasons) {
    const FileDescriptor listener = listenOn(kPort);
    sendTo(kPort, 100);
    sendTo(kNobodysPort, 5);
    const DropTotals totals = reasons.read();
    ASSERT_EQ(totals.entries.size(), 1U);
    EXPECT_EQ(totals.entries[0].key.kind, QP_DROP_ERRNO);
    EXPECT_EQ(totals.entries[0].key.reason, static_cast<uint32_t>(ENOMEM));
    EXPECT_EQ(totals.entries[0].key.port, kPort);
    EXPECT_EQ(totals.entries[0].key.direction, QP_DROP_IN);
    EXPECT_EQ(totals.events, totals.entries[0].count.skbs);
  });
}

TEST(DropReasons, LeavesFullQueuesToTheirOwnTracepointWhereReasonsHaveNoSocket) {
  watched({.withoutReceiveSocket = true}, [](DropReasons& reasons) {
    const FileDescriptor listener = listenOn(kPort);
    const uint64_t cookie = cookieOf(listener);
    sendTo(kPort, 100);
    sendTo(kNobodysPort, 5);
    const DropTotals totals = reasons.read();
    const std::vector<DropEntry> full = at(totals, kPort);
    ASSERT_EQ(full.size(), 1U);
    EXPECT_EQ(full[0].key.kind, QP_DROP_ERRNO);
    EXPECT_EQ(full[0].key.cookie, cookie);
    const std::vector<DropEntry> others = at(totals, 0);
    ASSERT_EQ(others.size(), 1U);
    EXPECT_EQ(others[0].key.kind, QP_DROP_REASON);
    EXPECT_EQ(others[0].count.skbs, 5U);
  });
}

TEST(DropReasons, FoldsPortsThatNobodyWatches) {
  watched({}, [](DropReasons& reasons) {
    for (uint16_t port = 10'000; port < 10'500; port++) sendTo(port, 1);
    const DropTotals totals = reasons.read();
    ASSERT_EQ(totals.entries.size(), 1U);
    EXPECT_EQ(totals.entries[0].key.port, 0);
    EXPECT_EQ(totals.entries[0].count.skbs, 500U);
    EXPECT_EQ(totals.lost, 0U);
    EXPECT_EQ(totals.missed, 0U);
  });
}

TEST(DropReasons, LooksAtNoOtherNamespace) {
  watched({}, [](DropReasons& reasons) {
    EXPECT_TRUE(inNetworkNamespace([] {
      ASSERT_TRUE(ip("link set lo up"));
      sendTo(kPort, 50);
    }));
    EXPECT_TRUE(reasons.read().entries.empty());
    EXPECT_GE(reasons.read().events, 50U);
  });
}

TEST(DropReasons, CountsNothingOfWhatIsDelivered) {
  watched({}, [](DropReasons& reasons) {
    const FileDescriptor listener = listenOn(kPort);
    char octet = 0;
    for (int i = 0; i < 1'000; i++) {
      sendTo(kPort, 1);
      ASSERT_EQ(recv(listener.get(), &octet, 1, 0), 1);
    }
    EXPECT_TRUE(reasons.read().entries.empty());
  });
}

TEST(DropReasons, CountsNoMoreOnceDetachedAndRemembers) {
  watched({}, [](DropReasons& reasons) {
    sendTo(kPort, 7);
    reasons.detach();
    sendTo(kPort, 7);
    const DropTotals totals = reasons.read();
    ASSERT_EQ(totals.entries.size(), 1U);
    EXPECT_EQ(totals.entries[0].count.skbs, 7U);
    reasons.detach();
  });
}

TEST(DropReasons, LosesAccountOpenly) {
  // Each sender is a key of its own once it has a cookie, and its datagrams are dropped with it by a filter that takes
  // none.
  watched({}, [](DropReasons& reasons) {
    constexpr uint64_t kSenders = QP_DROP_KEYS + 200;
    std::vector<FileDescriptor> listeners;
    for (uint64_t i = 0; i < kSenders; i++) {
      FileDescriptor listener(socket(AF_INET, SOCK_DGRAM, 0));
      if (!listener) break;
      cookieOf(listener);
      sock_filter refuse = BPF_STMT(BPF_RET | BPF_K, 0);
      const sock_fprog filter{1, &refuse};
      setsockopt(listener.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
      sockaddr_in address = loopback(0);
      socklen_t octets = sizeof address;
      ASSERT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), octets), 0);
      getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &octets);
      sendTo(ntohs(address.sin_port), 2);
      listeners.push_back(std::move(listener));
    }
    if (listeners.size() < kSenders) GTEST_SKIP() << "too few open files";
    const DropTotals totals = reasons.read();
    EXPECT_EQ(totals.entries.size(), size_t{QP_DROP_KEYS});
    EXPECT_EQ(totals.lost, 2 * (kSenders - QP_DROP_KEYS));
  });
}

TEST(DropReasons, RefusesSettingsThatItCannotKeep) {
  const auto refusalOf = [](const DropReasonsSettings& settings) {
    auto attached = DropReasons::attach(settings);
    return std::holds_alternative<DropReasonsRefusal>(attached) ? std::get<DropReasonsRefusal>(attached)
                                                                : DropReasonsRefusal{};
  };
  EXPECT_EQ(refusalOf({}).cause, Cause::Settings);
  EXPECT_EQ(refusalOf({}).why, "1 to 64 network namespaces can be watched, not 0");
  const std::vector<uint32_t> namespaces(QP_DROP_NAMESPACES + 1, 1);
  EXPECT_EQ(refusalOf({.namespaces = namespaces}).cause, Cause::Settings);
  const std::vector<uint16_t> ports(QP_DROP_PORTS + 1, 1);
  EXPECT_EQ(refusalOf({.namespaces = std::span(namespaces).first(1), .ports = ports}).cause, Cause::Settings);
}

}  // namespace
}  // namespace quicproxy
