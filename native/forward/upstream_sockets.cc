#include "forward/upstream_sockets.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "io/event_tag.h"
#include "io/listen_socket.h"

namespace quicproxy {

namespace {

/// A burst of one flow at its full congestion window; asked within net.core.rmem_max, memory is used only when filled.
constexpr int kReceiveBufferBytes = 1 << 20;

FileDescriptor connectedSocket(const SocketAddress& backend, uint8_t hopLimit) {
  const int family = backend.family();
  FileDescriptor fd(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!fd) return fd;
  const int receiveBuffer = kReceiveBufferBytes;
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receiveBuffer, sizeof receiveBuffer);
  const bool v4 = family == AF_INET;
  static_assert(IP_PMTUDISC_PROBE == IPV6_PMTUDISC_PROBE);
  const int discover = IP_PMTUDISC_PROBE;
  setsockopt(fd.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &discover,
             sizeof discover);
  const int hops = hopLimit;
  setsockopt(fd.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_UNICAST_HOPS, &hops, sizeof hops);
  receiveTrafficClass(fd.get(), family);
  if (connect(fd.get(), &backend.any, backend.length) != 0) fd.reset();
  return fd;
}

}  // namespace

UpstreamSockets::UpstreamSockets(uint32_t flowCapacity, uint32_t bound, int epollFd)
    : sockets_(flowCapacity), bound_(bound), epollFd_(epollFd) {}

UpstreamSockets::Outcome UpstreamSockets::open(uint32_t flow, uint8_t flowEpoch, const SocketAddress& backend,
                                               uint8_t hopLimit) {
  if (atBound()) return Outcome::kAtBound;
  FileDescriptor fd = connectedSocket(backend, hopLimit);
  if (!fd) return Outcome::kFailed;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = EventTag{EventTag::Kind::kUpstream, flowEpoch, flow}.pack();
  if (epoll_ctl(epollFd_, EPOLL_CTL_ADD, fd.get(), &event) != 0) return Outcome::kFailed;
  sockets_[flow] = std::move(fd);
  open_++;
  return Outcome::kOpened;
}

void UpstreamSockets::close(uint32_t flow) {
  if (!sockets_[flow]) return;
  sockets_[flow].reset();
  open_--;
}

}  // namespace quicproxy
