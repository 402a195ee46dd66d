#include "io/datagram_batch.h"

#include <algorithm>
#include <cstring>

namespace quicproxy {

namespace {

void readPacketInfo(const msghdr& message, FourTuple& tuple) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(const_cast<msghdr*>(&message), c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      mapAddress(tuple.localAddress, info.ipi_addr);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      std::memcpy(tuple.localAddress, &info.ipi6_addr, 16);
      if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) tuple.interfaceIndex = info.ipi6_ifindex;
    }
  }
}

/// Asked for on every listening socket; a kernel that does not tell must not stop the traffic.
constexpr uint8_t kUnknownHopLimit = 64;

/// Appends to what the message's control buffer holds already; the buffer has room for all that is ever appended.
template <class Info>
void appendControl(msghdr& message, int level, int type, const Info& info) {
  auto* c = reinterpret_cast<cmsghdr*>(static_cast<uint8_t*>(message.msg_control) + message.msg_controllen);
  message.msg_controllen += CMSG_SPACE(sizeof(Info));
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(sizeof(Info));
  std::memcpy(CMSG_DATA(c), &info, sizeof info);
}

void appendTrafficClass(msghdr& message, bool v4, uint8_t trafficClass) {
  if (trafficClass == 0) return;
  const int value = trafficClass;
  appendControl(message, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, value);
}

const cmsghdr* nextControl(const msghdr& message, const cmsghdr* c) {
  return CMSG_NXTHDR(const_cast<msghdr*>(&message), const_cast<cmsghdr*>(c));
}

}  // namespace

DatagramBatch::DatagramBatch(uint32_t capacity)
    : preparedFrom_(capacity),
      payload_(capacity * kSlotStride, nullptr),
      messages_(capacity),
      vectors_(capacity),
      names_(capacity),
      controls_(capacity),
      gathered_(capacity),
      gatheredControls_(capacity) {}

void DatagramBatch::prepareReceive(uint32_t index) {
  vectors_[index] = {slot(index), kDatagramBytes};
  msghdr& header = messages_[index].msg_hdr;
  header = {};
  header.msg_iov = &vectors_[index];
  header.msg_iovlen = 1;
  header.msg_name = &names_[index].any;
  header.msg_namelen = sizeof(sockaddr_in6);
  header.msg_control = controls_[index].bytes;
  header.msg_controllen = sizeof(Control);
}

int DatagramBatch::receive(int fd, uint32_t first) {
  for (uint32_t i = first; i < preparedFrom_; i++) prepareReceive(i);
  const int received = recvmmsg(fd, &messages_[first], capacity() - first, MSG_DONTWAIT, nullptr);
  preparedFrom_ = first + static_cast<uint32_t>(std::max(received, 0));
  return received;
}

FourTuple DatagramBatch::fourTuple(uint32_t index, uint16_t localPort) const {
  FourTuple tuple{};
  const SocketAddress& client = names_[index];
  if (client.family() == AF_INET) {
    mapAddress(tuple.clientAddress, client.v4.sin_addr);
  } else {
    std::memcpy(tuple.clientAddress, &client.v6.sin6_addr, 16);
  }
  tuple.clientPort = client.port();
  tuple.localPort = localPort;
  readPacketInfo(messages_[index].msg_hdr, tuple);
  return tuple;
}

uint8_t DatagramBatch::hopLimit(uint32_t index) const {
  auto& message = const_cast<msghdr&>(messages_[index].msg_hdr);
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL;
    const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT;
    if (!v4 && !v6) continue;
    int hops = 0;
    std::memcpy(&hops, CMSG_DATA(c), sizeof hops);
    return static_cast<uint8_t>(hops);
  }
  return kUnknownHopLimit;
}

uint8_t DatagramBatch::trafficClass(uint32_t index) const {
  const msghdr& message = messages_[index].msg_hdr;
  for (const cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = nextControl(message, c)) {
    // IPv4 tells it in one octet, IPv6 in an int, whose first octet it is.
    const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS;
    const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS;
    if (v4 || v6) return *CMSG_DATA(c);
  }
  return 0;
}

void DatagramBatch::addressToClient(uint32_t index, const FourTuple& tuple) {
  const uint8_t traffic = trafficClass(index);
  names_[index] = SocketAddress::fromMapped(tuple.clientAddress, tuple.clientPort, tuple.interfaceIndex);
  msghdr& header = messages_[index].msg_hdr;
  header.msg_name = &names_[index].any;
  header.msg_namelen = names_[index].length;
  header.msg_control = controls_[index].bytes;
  header.msg_controllen = 0;
  vectors_[index].iov_len = messages_[index].msg_len;
  if (isMapped(tuple.localAddress)) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, tuple.localAddress + 12, 4);
    appendControl(header, IPPROTO_IP, IP_PKTINFO, info);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, tuple.localAddress, 16);
    info.ipi6_ifindex = tuple.interfaceIndex;
    appendControl(header, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
  appendTrafficClass(header, isMapped(tuple.clientAddress), traffic);
}

int DatagramBatch::send(int fd, uint32_t first, uint32_t count) {
  return sendmmsg(fd, &messages_[first], count, MSG_DONTWAIT);
}

int DatagramBatch::sendConnected(int fd, bool v4, std::span<const uint16_t> indexes) {
  const size_t count = std::min(indexes.size(), gathered_.size());
  for (size_t i = 0; i < count; i++) {
    const uint16_t index = indexes[i];
    vectors_[index].iov_len = messages_[index].msg_len;
    msghdr& header = gathered_[i].msg_hdr;
    header = {};
    header.msg_iov = &vectors_[index];
    header.msg_iovlen = 1;
    header.msg_control = gatheredControls_[i].bytes;
    appendTrafficClass(header, v4, trafficClass(index));
  }
  return sendmmsg(fd, gathered_.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
}

}  // namespace quicproxy
