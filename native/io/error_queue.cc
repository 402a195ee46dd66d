#include "io/error_queue.h"

// linux/errqueue.h takes timespec for granted, and leaves libc's in6_addr alone only where that came first.
// clang-format off
#include <ctime>
#include <netinet/in.h>
#include <linux/errqueue.h>
// clang-format on
#include <sys/socket.h>

#include <cstring>

namespace quicproxy {

namespace {

/// Everybody can send ICMP errors; what is left wakes the reader again.
constexpr int kMaxErrorsPerTurn = 64;

std::optional<sock_extended_err> extendedErrorOf(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
    const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
    if (!v4 && !v6) continue;
    sock_extended_err error;
    std::memcpy(&error, CMSG_DATA(c), sizeof error);
    return error;
  }
  return std::nullopt;
}

std::optional<IcmpKind> kindOf(const sock_extended_err& error) {
  const bool v6 = error.ee_origin == SO_EE_ORIGIN_ICMP6;
  if (!v6 && error.ee_origin != SO_EE_ORIGIN_ICMP) return std::nullopt;
  return icmpKindOf(v6, error.ee_type, error.ee_code);
}

}  // namespace

std::optional<QueuedError> takeQueuedError(int fd, std::span<uint8_t> payload) {
  // The error, whom it came from, and what the socket has its datagrams told with.
  alignas(cmsghdr) uint8_t control[512];
  iovec vector{payload.data(), payload.size()};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
  if (size < 0) return std::nullopt;
  const auto error = extendedErrorOf(message);
  return QueuedError{error ? kindOf(*error) : std::nullopt, static_cast<uint32_t>(size)};
}

uint32_t drainErrorQueue(int fd) {
  uint32_t fromIcmp = 0;
  for (int taken = 0; taken < kMaxErrorsPerTurn; taken++) {
    const auto error = takeQueuedError(fd, {});
    if (!error) break;
    fromIcmp += error->icmp ? 1 : 0;
  }
  return fromIcmp;
}

}  // namespace quicproxy
