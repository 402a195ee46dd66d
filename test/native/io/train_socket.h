#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "io/file_descriptor.h"

namespace quicproxy {

using Octets = std::vector<uint8_t>;

/// A UDP socket on 127.0.0.1 or ::1 that sends trains (UDP_SEGMENT) and tells the traffic class of what it receives.
class TrainSocket {
 public:
  explicit TrainSocket(int family = AF_INET) : family_(family), fd_(socket(family, SOCK_DGRAM, 0)) {
    const int on = 1;
    setsockopt(fd_.get(), v4() ? IPPROTO_IP : IPPROTO_IPV6, v4() ? IP_RECVTOS : IPV6_RECVTCLASS, &on, sizeof on);
    sockaddr_in6 address = loopback(0);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), length()), 0);
    socklen_t bytes = sizeof address;
    getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &bytes);
    port_ = ntohs(address.sin6_port);
  }

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] uint16_t port() const { return port_; }

  void setTrafficClass(int value) const {
    setsockopt(fd_.get(), v4() ? IPPROTO_IP : IPPROTO_IPV6, v4() ? IP_TOS : IPV6_TCLASS, &value, sizeof value);
  }

  /// All in one message; each but the last as long as the first.
  [[nodiscard]] bool sendTrain(uint16_t port, const std::vector<Octets>& datagrams) const {
    Octets payload;
    for (const Octets& datagram : datagrams) payload.insert(payload.end(), datagram.begin(), datagram.end());
    sockaddr_in6 to = loopback(port);
    iovec vector{payload.data(), payload.size()};
    alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(uint16_t))] = {};
    msghdr message{};
    message.msg_name = &to;
    message.msg_namelen = length();
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* segment = CMSG_FIRSTHDR(&message);
    segment->cmsg_level = SOL_UDP;
    segment->cmsg_type = UDP_SEGMENT;
    segment->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    const auto bytes = static_cast<uint16_t>(datagrams.front().size());
    std::memcpy(CMSG_DATA(segment), &bytes, sizeof bytes);
    return sendmsg(fd_.get(), &message, 0) == static_cast<ssize_t>(payload.size());
  }

  [[nodiscard]] bool send(uint16_t port, const Octets& datagram) const {
    const sockaddr_in6 to = loopback(port);
    return sendto(fd_.get(), datagram.data(), datagram.size(), 0, reinterpret_cast<const sockaddr*>(&to), length()) ==
           static_cast<ssize_t>(datagram.size());
  }

  struct Arrived {
    Octets payload;
    uint16_t fromPort;
    int trafficClass;
  };
  /// One datagram; none when nothing comes within the time.
  [[nodiscard]] std::optional<Arrived> receive(int waitMs = 10'000) const {
    pollfd poller{fd_.get(), POLLIN, 0};
    if (poll(&poller, 1, waitMs) != 1) return std::nullopt;
    std::array<uint8_t, 65536> buffer;
    sockaddr_in6 from{};
    iovec vector{buffer.data(), buffer.size()};
    alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{&from, sizeof from, &vector, 1, control, sizeof control, 0};
    const ssize_t size = recvmsg(fd_.get(), &message, 0);
    if (size < 0) return std::nullopt;
    const cmsghdr* trafficClass = CMSG_FIRSTHDR(&message);
    const int value = trafficClass == nullptr ? -1 : *CMSG_DATA(trafficClass);
    return Arrived{{buffer.data(), buffer.data() + size}, ntohs(from.sin6_port), value};
  }

 private:
  [[nodiscard]] bool v4() const { return family_ == AF_INET; }
  [[nodiscard]] socklen_t length() const { return v4() ? sizeof(sockaddr_in) : sizeof(sockaddr_in6); }

  /// The ports of both families lie in the same place.
  [[nodiscard]] sockaddr_in6 loopback(uint16_t port) const {
    sockaddr_in6 address{};
    if (v4()) {
      sockaddr_in ip{};
      ip.sin_family = AF_INET;
      ip.sin_port = htons(port);
      ip.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      std::memcpy(&address, &ip, sizeof ip);
    } else {
      address.sin6_family = AF_INET6;
      address.sin6_port = htons(port);
      address.sin6_addr = in6addr_loopback;
    }
    return address;
  }

  int family_;
  FileDescriptor fd_;
  uint16_t port_ = 0;
};

/// Octets that begin like a short header; no two of different seeds are equal.
inline Octets numbered(size_t size, uint32_t seed) {
  Octets octets(size);
  for (size_t i = 0; i < size; i++) octets[i] = static_cast<uint8_t>(seed * 31 + i * 7);
  if (size > 0) octets[0] = 0x40;
  if (size >= 13) std::memcpy(octets.data() + 9, &seed, sizeof seed);
  return octets;
}

}  // namespace quicproxy
