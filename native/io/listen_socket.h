#pragma once

#include <cstdint>
#include <variant>

#include "io/failure.h"
#include "io/file_descriptor.h"
#include "io/socket_address.h"

namespace quicproxy {

struct BufferSizes {
  uint32_t receiveBytes;
  uint32_t sendBytes;

  friend bool operator==(const BufferSizes&, const BufferSizes&) = default;
};

/// Fails when another process has the port, also one that would share it by SO_REUSEPORT: two proxies on one port by
/// mistake would each get part of every connection.
std::optional<Failure> probePortIsFree(const SocketAddress& address);

struct ListenOptions {
  BufferSizes buffers;
  bool trains;  ///< receive several datagrams of one 4-tuple as one message where the kernel can (UDP_GRO)
};

/// One worker's member of a SO_REUSEPORT group: non-blocking, tells the local address of each datagram
/// (IP_PKTINFO), its hop limit and traffic class, never fragments (RFC 9000 section 14), tells of full device queues:
/// its reader empties the error queue.
std::variant<FileDescriptor, Failure> openListenSocket(const SocketAddress& address, const ListenOptions& options);

/// Takes a socket out of its SO_REUSEPORT group: a connected one, here with its own address, is found by its peer's
/// datagrams only (net/core/sock_reuseport.c). It still gives what it has received, and sends to anybody. False with
/// errno set when the kernel refuses.
bool leaveGroup(int fd, const SocketAddress& address);

/// Asks with SO_RCVBUFFORCE/SO_SNDBUFFORCE (CAP_NET_ADMIN), else within net.core.rmem_max/wmem_max. Returns whether the
/// former was allowed. mayForce: false saves asking where that is known.
bool setBufferSizes(int fd, const BufferSizes& buffers, bool mayForce = true);

struct SocketMemory {
  uint32_t receiveBufferBytes;  ///< as the kernel accounts it: twice what was asked, socket(7)
  uint32_t sendBufferBytes;
  uint32_t queuedBytes;  ///< of the receive buffer, what datagrams that wait take, and what the kernel frees lazily
  uint32_t drops;        ///< datagrams that found the receive buffer full (SO_MEMINFO)
};
SocketMemory readSocketMemory(int fd);

/// SocketMemory::drops alone.
uint32_t readSocketDrops(int fd);

/// The host has no such address family at all.
[[nodiscard]] bool addressFamilyMissing(const Failure& failure);

}  // namespace quicproxy
