#include "io/receive_batch.h"

#include <netinet/udp.h>

#include <cerrno>
#include <cstring>

namespace quicproxy {

namespace {

/// Asked for on every listening socket; a kernel that does not tell must not stop the traffic.
constexpr uint8_t kUnknownHopLimit = 64;

template <class Value>
Value valueOf(const cmsghdr* control) {
  Value value;
  std::memcpy(&value, CMSG_DATA(control), sizeof value);
  return value;
}

/// ipi_addr: where the datagram was sent to; ipi_spec_dst: the address that answers come from, which is another one
/// where that was none of this host (fib_compute_spec_dst), and 0 where the kernel did not look.
bool isUnicast(const in_pktinfo& info) {
  const uint32_t address = ntohl(info.ipi_addr.s_addr);
  if (IN_MULTICAST(address) || address == INADDR_BROADCAST) return false;
  return info.ipi_spec_dst.s_addr == 0 || info.ipi_spec_dst.s_addr == info.ipi_addr.s_addr;
}

void readIpv4(const cmsghdr* control, Received& received) {
  switch (control->cmsg_type) {
    case IP_PKTINFO: {
      const auto info = valueOf<in_pktinfo>(control);
      mapAddress(received.tuple.local, info.ipi_addr);
      received.unicast = isUnicast(info);
      break;
    }
    case IP_TTL:
      received.hopLimit = static_cast<uint8_t>(valueOf<int>(control));
      break;
    case IP_TOS:
      received.trafficClass = valueOf<uint8_t>(control);
      break;
    default:
      break;
  }
}

void readIpv6(const cmsghdr* control, Received& received) {
  switch (control->cmsg_type) {
    case IPV6_PKTINFO: {
      const auto info = valueOf<in6_pktinfo>(control);
      std::memcpy(received.tuple.local, &info.ipi6_addr, 16);
      received.tuple.setInterface(info.ipi6_ifindex);
      received.unicast = !IN6_IS_ADDR_MULTICAST(&info.ipi6_addr);
      break;
    }
    case IPV6_HOPLIMIT:
      received.hopLimit = static_cast<uint8_t>(valueOf<int>(control));
      break;
    case IPV6_TCLASS:
      received.trafficClass = static_cast<uint8_t>(valueOf<int>(control));
      break;
    default:
      break;
  }
}

void readSegmentSize(const cmsghdr* control, Received& received) {
  if (control->cmsg_type != UDP_GRO) return;
  const int bytes = valueOf<int>(control);
  if (bytes > 0) received.segmentBytes = static_cast<uint32_t>(bytes);
}

}  // namespace

ReceiveBatch::ReceiveBatch(uint32_t capacity)
    : payload_(capacity * kSlotStride, nullptr),
      messages_(capacity),
      vectors_(capacity),
      names_(capacity),
      controls_(capacity) {}

void ReceiveBatch::prepare(uint32_t index) {
  vectors_[index] = {slot(index), kDatagramBytes};
  msghdr& header = messages_[index].msg_hdr;
  header = {};
  header.msg_iov = &vectors_[index];
  header.msg_iovlen = 1;
  header.msg_control = controls_[index].bytes;
  header.msg_controllen = sizeof(Control);
  header.msg_name = &names_[index].any;
  header.msg_namelen = sizeof(sockaddr_in6);
}

/// An ICMP error that waits at a socket is told once, instead of what it has received.
int ReceiveBatch::receive(int fd, uint32_t first, uint32_t count) {
  const uint32_t end = first + count;
  for (uint32_t i = first; i < std::min(end, preparedFrom_); i++) prepare(i);
  for (uint32_t i = std::max(first, preparedUntil_); i < end; i++) prepare(i);
  int received = recvmmsg(fd, &messages_[first], count, MSG_DONTWAIT, nullptr);
  if (received < 0 && errno != EAGAIN) received = recvmmsg(fd, &messages_[first], count, MSG_DONTWAIT, nullptr);
  preparedUntil_ = end < preparedFrom_ ? end : std::max(end, preparedUntil_);
  preparedFrom_ = first + static_cast<uint32_t>(std::max(received, 0));
  return received;
}

const sockaddr* ReceiveBatch::originalDestination(uint32_t index) const {
  auto& message = const_cast<msghdr&>(messages_[index].msg_hdr);
  for (const cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, const_cast<cmsghdr*>(c))) {
    const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_ORIGDSTADDR;
    const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_ORIGDSTADDR;
    if (v4 || v6) return reinterpret_cast<const sockaddr*>(CMSG_DATA(c));
  }
  return nullptr;
}

uint32_t ReceiveBatch::kernelDrops(uint32_t index) const {
  auto& message = const_cast<msghdr&>(messages_[index].msg_hdr);
  for (const cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, const_cast<cmsghdr*>(c))) {
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) return valueOf<uint32_t>(c);
  }
  return 0;
}

Received ReceiveBatch::received(uint32_t index, uint16_t localPort) const {
  Received received;
  received.payload = {slot(index), messages_[index].msg_len};
  received.segmentBytes = messages_[index].msg_len;
  received.hopLimit = kUnknownHopLimit;
  received.tuple.setLocalPort(localPort);
  const SocketAddress& client = names_[index];
  const MappedAddress remote = mappedOf(client);
  std::memcpy(received.tuple.remote, remote.data(), remote.size());
  received.tuple.setRemotePort(client.port());
  auto& message = const_cast<msghdr&>(messages_[index].msg_hdr);
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == IPPROTO_IP) readIpv4(c, received);
    if (c->cmsg_level == IPPROTO_IPV6) readIpv6(c, received);
    if (c->cmsg_level == SOL_UDP) readSegmentSize(c, received);
  }
  return received;
}

}  // namespace quicproxy
