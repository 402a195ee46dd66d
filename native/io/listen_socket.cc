#include "io/listen_socket.h"

#include <linux/sock_diag.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "io/socket_options.h"

namespace quicproxy {

namespace {

Failure bindFailure(int error, const SocketAddress& address) {
  const std::string where = address.addressText() + " port " + std::to_string(address.port());
  switch (error) {
    case EADDRINUSE:
      return {FailureCode::kListenPortBusy, where + " is in use by another process", error};
    case EACCES:
    case EPERM:
      return {FailureCode::kListenPortDenied, where + " may not be bound by this user", error};
    case EADDRNOTAVAIL:
      return {FailureCode::kListenAddressNotLocal, where + ": the address is not on this host", error};
    default:
      return {FailureCode::kListenFailed, where + ": " + std::strerror(error), error};
  }
}

FileDescriptor newSocket(int family) {
  FileDescriptor fd(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  if (fd && family == AF_INET6) setOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  return fd;
}

std::array<uint32_t, SK_MEMINFO_VARS> memoryInfo(int fd) {
  std::array<uint32_t, SK_MEMINFO_VARS> info{};
  socklen_t length = sizeof info;
  getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info.data(), &length);
  return info;
}

bool setPathOptions(int fd, int family) {
  if (!tellQueueDrops(fd, family)) return false;
  if (family == AF_INET) {
    return setOption(fd, IPPROTO_IP, IP_PKTINFO, 1) && setOption(fd, IPPROTO_IP, IP_RECVTTL, 1) &&
           receiveTrafficClass(fd, family) && neverFragment(fd, family);
  }
  return setOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) && setOption(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) &&
         receiveTrafficClass(fd, family) && neverFragment(fd, family);
}

bool setBuffer(int fd, int force, int plain, uint32_t bytes, bool mayForce) {
  const int value = static_cast<int>(bytes);
  if (mayForce && setOption(fd, SOL_SOCKET, force, value)) return true;
  setOption(fd, SOL_SOCKET, plain, value);
  return false;
}

uint32_t bufferSize(int fd, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  getsockopt(fd, SOL_SOCKET, name, &value, &length);
  return static_cast<uint32_t>(value);
}

}  // namespace

std::optional<Failure> probePortIsFree(const SocketAddress& address) {
  const FileDescriptor fd = newSocket(address.family());
  if (!fd) return bindFailure(errno, address);
  if (bind(fd.get(), &address.any, address.length) != 0) return bindFailure(errno, address);
  return std::nullopt;
}

std::variant<FileDescriptor, Failure> openListenSocket(const SocketAddress& address, const ListenOptions& options) {
  FileDescriptor fd = newSocket(address.family());
  if (!fd) return bindFailure(errno, address);
  if (!setOption(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1) || !setPathOptions(fd.get(), address.family())) {
    return bindFailure(errno, address);
  }
  // Before 5.0 the kernel knows no trains; each datagram is a message then.
  if (options.trains) setOption(fd.get(), SOL_UDP, UDP_GRO, 1);
  setBufferSizes(fd.get(), options.buffers);
  if (bind(fd.get(), &address.any, address.length) != 0) return bindFailure(errno, address);
  return fd;
}

bool leaveGroup(int fd, const SocketAddress& address) {
  SocketAddress peer = address;
  if (peer.family() == AF_INET) {
    if (peer.v4.sin_addr.s_addr == htonl(INADDR_ANY)) peer.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  } else if (IN6_IS_ADDR_UNSPECIFIED(&peer.v6.sin6_addr)) {
    peer.v6.sin6_addr = in6addr_loopback;
  }
  return connect(fd, &peer.any, peer.length) == 0;
}

bool setBufferSizes(int fd, const BufferSizes& buffers, bool mayForce) {
  const bool forced = setBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, buffers.receiveBytes, mayForce);
  return setBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, buffers.sendBytes, forced) && forced;
}

SocketMemory readSocketMemory(int fd) {
  const auto info = memoryInfo(fd);
  return {bufferSize(fd, SO_RCVBUF), bufferSize(fd, SO_SNDBUF), info[SK_MEMINFO_RMEM_ALLOC], info[SK_MEMINFO_DROPS]};
}

uint32_t readSocketDrops(int fd) { return memoryInfo(fd)[SK_MEMINFO_DROPS]; }

bool addressFamilyMissing(const Failure& failure) {
  return failure.systemError == EAFNOSUPPORT || failure.systemError == EADDRNOTAVAIL;
}

}  // namespace quicproxy
