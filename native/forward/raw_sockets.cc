#include "forward/raw_sockets.h"

#include <netinet/udp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "io/socket_address.h"
#include "io/socket_options.h"

namespace quicproxy {

namespace {

/// A socket, or the reason why there is none.
struct Opened {
  FileDescriptor fd;
  int error = 0;
};

Opened openRaw(bool v6) {
  FileDescriptor fd(socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW));
  if (!fd) return {FileDescriptor(), errno};
  // IPPROTO_RAW implies IP_HDRINCL, for IPv6 only since Linux 4.18 on request.
  const bool included = !v6 || setOption(fd.get(), IPPROTO_IPV6, IPV6_HDRINCL, 1);
  // Of ICMP errors none comes to a socket of this protocol; what it refuses itself may fill the smallest error queue.
  const int family = v6 ? AF_INET6 : AF_INET;
  const bool set = included && neverFragment(fd.get(), family) && tellQueueDrops(fd.get(), family) &&
                   setOption(fd.get(), SOL_SOCKET, SO_RCVBUF, 1);
  if (!set) return {FileDescriptor(), errno};
  return {std::move(fd)};
}

/// Bound to a port of the loopback address, where nobody finds it but the SK_LOOKUP program. Whether the host has that
/// address is no matter: lo may be down, or without IPv6.
Opened openCatching(bool v6) {
  FileDescriptor fd(socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return {FileDescriptor(), errno};
  const in_addr loopback{htonl(INADDR_LOOPBACK)};
  const SocketAddress address = v6 ? SocketAddress::from(in6addr_loopback.s6_addr, 6, 0)
                                   : SocketAddress::from(reinterpret_cast<const uint8_t*>(&loopback), 4, 0);
  const bool set = (v6 ? setOption(fd.get(), IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1) &&
                             setOption(fd.get(), IPPROTO_IPV6, IPV6_FREEBIND, 1)
                       : setOption(fd.get(), IPPROTO_IP, IP_RECVORIGDSTADDR, 1) &&
                             setOption(fd.get(), IPPROTO_IP, IP_FREEBIND, 1)) &&
                   receiveTrafficClass(fd.get(), address.family());
  if (!set || bind(fd.get(), &address.any, address.length) != 0) return {FileDescriptor(), errno};
  // Trains where the kernel has them: it looks up the socket of a train as of a single datagram.
  setOption(fd.get(), SOL_UDP, UDP_GRO, 1);
  return {std::move(fd)};
}

std::string failed(const char* step, bool v6, int error) {
  return std::string(step) + (v6 ? " for IPv6: " : " for IPv4: ") + std::strerror(error);
}

}  // namespace

std::string RawSockets::open(UpstreamPorts& ports, uint32_t worker, const BufferSizes& buffers) {
  Opened raw = openRaw(v6_);
  if (!raw.fd) {
    // A host without IPv6 has no IPv6 backends either.
    if (v6_ && raw.error == EAFNOSUPPORT) return "";
    return failed(raw.error == EPERM ? "raw sockets need CAP_NET_RAW" : "cannot open a raw socket", v6_, raw.error);
  }
  Opened catching = openCatching(v6_);
  if (!catching.fd) return failed("cannot open the socket that catches replies", v6_, catching.error);
  raw_ = std::move(raw.fd);
  catching_ = std::move(catching.fd);
  setBuffers(buffers);
  icmp_ = IcmpSocket(v6_, ports.first(), ports.last());
  if (!icmp_) return failed("cannot open a socket for ICMP errors", v6_, errno);
  if (!ports.setSocket(worker, v6_, catching_.get())) {
    return failed("cannot hand the socket that catches replies to BPF", v6_, errno);
  }
  return "";
}

bool RawSockets::announceTo(int epollFd) const {
  const auto announce = [this, epollFd](int fd, uint32_t about) {
    return announceReads(epollFd, fd, {EventTag::Kind::kUpstream, 0, about | (v6_ ? kV6Tag : 0)});
  };
  return !raw_ || (announce(catching_.get(), 0) && announce(icmp_.fd(), kIcmpTag));
}

void RawSockets::setBuffers(const BufferSizes& buffers) const {
  if (!raw_) return;
  setBufferSizes(raw_.get(), {0, buffers.sendBytes});
  setBufferSizes(catching_.get(), buffers);
}

uint32_t RawSockets::receiveBufferBytes() const {
  return raw_ ? readSocketMemory(catching_.get()).receiveBufferBytes : UINT32_MAX;
}

void RawSockets::countDrops(WorkerCounters& counters) {
  if (!raw_) return;
  const auto count = [&counters](int fd, uint32_t& counted, Counter counter) {
    const uint32_t drops = readSocketDrops(fd);
    if (drops != counted) counters.add(counter, drops - counted);
    counted = drops;
  };
  count(catching_.get(), catchingDrops_, Counter::return_kernel_drops);
  count(icmp_.fd(), icmpDrops_, Counter::return_icmp_lost);
}

}  // namespace quicproxy
