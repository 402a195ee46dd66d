#include "network/network_monitor.h"

#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>

#include "io/clock.h"

namespace quicproxy {

namespace {

/// A socket in the groups of all that decides where datagrams go. RTNLGRP_IPV6_RULE has no RTMGRP_ constant.
FileDescriptor openEvents() {
  FileDescriptor fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE |
                      RTMGRP_IPV4_RULE | 1U << (RTNLGRP_IPV6_RULE - 1);
  if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  return fd;
}

}  // namespace

NetworkMonitor::NetworkMonitor() : events_(openEvents()), stopping_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void NetworkMonitor::stop() const { eventfd_write(stopping_.get(), 1); }

bool NetworkMonitor::rest(uint32_t ms) const {
  pollfd stopping{stopping_.get(), POLLIN, 0};
  return poll(&stopping, 1, static_cast<int>(ms)) == 0;
}

bool NetworkMonitor::wait() {
  const Heard first = listen(hearsEvents() ? kPollMs : kBlindPollMs);
  if (first != Heard::kChange) return first != Heard::kStop;
  const uint32_t beganMs = monotonicMs();
  while (monotonicMs() - beganMs < kLongestRestMs) {
    const Heard heard = listen(kRestMs);
    if (heard != Heard::kChange) return heard != Heard::kStop;
  }
  return true;
}

/// Empties the socket. ENOBUFS, events were lost, is an event as well.
NetworkMonitor::Heard NetworkMonitor::listen(int waitMs) {
  std::array<pollfd, 2> sources{{{stopping_.get(), POLLIN, 0}, {events_.get(), POLLIN, 0}}};
  if (poll(sources.data(), sources.size(), waitMs) <= 0) return Heard::kNothing;
  if (sources[0].revents != 0) return Heard::kStop;
  if (!events_) return Heard::kNothing;
  std::array<uint8_t, 4096> ignored;
  while (recv(events_.get(), ignored.data(), ignored.size(), 0) > 0) {
  }
  return Heard::kChange;
}

}  // namespace quicproxy
