#include "io/send_batch.h"

#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace quicproxy {

namespace {

/// sendmmsg takes no more, UIO_MAXIOV.
constexpr uint32_t kMaxMessagesPerCall = 1024;

/// Appends a control message. The message has room for all that are ever appended.
template <class Value>
void appendControl(msghdr& message, int level, int type, const Value& value) {
  auto* control = reinterpret_cast<cmsghdr*>(static_cast<uint8_t*>(message.msg_control) + message.msg_controllen);
  control->cmsg_level = level;
  control->cmsg_type = type;
  control->cmsg_len = CMSG_LEN(sizeof(Value));
  std::memcpy(CMSG_DATA(control), &value, sizeof value);
  message.msg_controllen += CMSG_SPACE(sizeof(Value));
}

void appendSource(msghdr& message, const FourTuple& tuple, uint32_t interfaceIndex) {
  if (isMapped(tuple.local)) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, tuple.local + 12, 4);
    appendControl(message, IPPROTO_IP, IP_PKTINFO, info);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, tuple.local, 16);
    info.ipi6_ifindex = interfaceIndex;
    appendControl(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
}

/// An IPv4 socket ignores what is for IPv6 and the other way round, and a connected socket does not say what it is.
void appendTrafficClass(msghdr& message, const FourTuple* client, uint8_t trafficClass) {
  const int value = trafficClass;
  if (client == nullptr || isMapped(client->local)) appendControl(message, IPPROTO_IP, IP_TOS, value);
  if (client == nullptr || !isMapped(client->local)) appendControl(message, IPPROTO_IPV6, IPV6_TCLASS, value);
}

/// The kernel cannot send this train as one: longer pieces than the path's MTU (EMSGSIZE, before 6.14 EINVAL), or a
/// device without checksum offload or with IPsec (EIO).
bool refusesTrain(int error) { return error == EMSGSIZE || error == EINVAL || error == EIO; }

}  // namespace

SendBatch::SendBatch(uint32_t capacity)
    : datagrams_(capacity),
      vectors_(size_t{2} * capacity),
      messages_(capacity),
      names_(capacity),
      controls_(capacity),
      trains_(capacity + 1),
      pieces_(kMaxTrainDatagrams),
      pieceVectors_(kMaxTrainDatagrams) {}

void SendBatch::clear() {
  added_ = 0;
  vectorsUsed_ = 0;
  begun_ = 0;
  message_ = 0;
  cut_ = 0;
  cutting_ = false;
  tally_ = {};
}

void SendBatch::begin(std::span<const uint8_t> datagram, const Heading& heading) {
  const uint32_t index = begun_++;
  msghdr& header = messages_[index].msg_hdr;
  header = {};
  header.msg_iov = &vectors_[vectorsUsed_];
  header.msg_control = controls_[index].bytes;
  header.msg_controllen = 0;
  if (heading.client != nullptr) {
    const uint32_t interfaceIndex = heading.client->interfaceIndex();
    const FourTuple tuple = heading.client->withoutInterface();
    names_[index] = SocketAddress::fromMapped(tuple.remote, tuple.remotePort(), interfaceIndex);
    header.msg_name = &names_[index].any;
    header.msg_namelen = names_[index].length;
    appendSource(header, tuple, interfaceIndex);
  } else if (heading.to != nullptr) {
    names_[index] = *heading.to;
    header.msg_name = &names_[index].any;
    header.msg_namelen = names_[index].length;
  }
  if (!heading.headers.empty()) {
    vectors_[vectorsUsed_++] = {const_cast<uint8_t*>(heading.headers.data()), heading.headers.size()};
  }
  if (heading.trafficClass != 0) appendTrafficClass(header, heading.client, heading.trafficClass);
  trains_[index] = {added_, 1, static_cast<uint32_t>(datagram.size()), static_cast<uint32_t>(datagram.size()),
                    heading.flow};
  datagrams_[added_++] = datagram;
  vectors_[vectorsUsed_++] = {const_cast<uint8_t*>(datagram.data()), datagram.size()};
  header.msg_iovlen = heading.headers.empty() ? 1 : 2;
}

bool SendBatch::join(std::span<const uint8_t> datagram) {
  if (begun_ == 0) return false;
  Train& train = trains_[begun_ - 1];
  const bool lastWasShorter = train.bytes != train.datagrams * train.segmentBytes;
  if (lastWasShorter || datagram.empty() || datagram.size() > train.segmentBytes) return false;
  if (train.datagrams == kMaxTrainDatagrams || train.bytes + datagram.size() > kMaxTrainBytes) return false;
  msghdr& header = messages_[begun_ - 1].msg_hdr;
  if (train.datagrams == 1) {
    appendControl(header, SOL_UDP, UDP_SEGMENT, static_cast<uint16_t>(train.segmentBytes));
  }
  iovec& last = vectors_[vectorsUsed_ - 1];
  if (static_cast<const uint8_t*>(last.iov_base) + last.iov_len == datagram.data()) {
    last.iov_len += datagram.size();
  } else {
    vectors_[vectorsUsed_++] = {const_cast<uint8_t*>(datagram.data()), datagram.size()};
    header.msg_iovlen++;
  }
  train.datagrams++;
  train.bytes += static_cast<uint32_t>(datagram.size());
  datagrams_[added_++] = datagram;
  return true;
}

/// An error of an earlier datagram is told once: whoever meets the same one again has met his own. In a row of failures
/// only the first is tried again, for they come in numbers. Errors that keep coming in are somebody's flood.
bool SendBatch::isWorthAnother(Attempt& attempt, int error) {
  constexpr uint32_t kMaxTimes = 3;
  if (error == EAGAIN || error == ENOBUFS || error == ENOMEM) return false;
  const bool again = error != attempt.error && ++attempt.times < kMaxTimes;
  attempt.error = error;
  return again;
}

uint32_t SendBatch::giveUp(int error) {
  tally_.queueFull |= error == ENOBUFS;
  if (error != EAGAIN && error != ENOBUFS) return drop();
  const uint32_t first = front();
  const uint32_t flow = trains_[message_].flow;
  cutting_ = false;
  cut_ = 0;
  do {
    message_++;
  } while (!done() && (error == EAGAIN || trains_[message_].flow == flow));
  return (done() ? added_ : front()) - first;
}

int SendBatch::send(int fd) {
  if (cutting_) return sendCut(fd);
  const int sent = sendMessages(fd);
  const bool refused = sent < 0 && trains_[message_].datagrams > 1 && refusesTrain(errno);
  if (!refused) return sent;
  tally_.trainsRefused++;
  tally_.deviceRefused |= errno == EIO;
  cutting_ = true;
  return sendCut(fd);
}

int SendBatch::sendMessages(int fd) {
  tally_.calls++;
  const uint32_t count = std::min(begun_ - message_, kMaxMessagesPerCall);
  const int sent = sendmmsg(fd, &messages_[message_], count, MSG_DONTWAIT);
  if (sent <= 0) return -1;
  uint32_t datagrams = 0;
  for (const uint32_t end = message_ + static_cast<uint32_t>(sent); message_ < end; message_++) {
    datagrams += trains_[message_].datagrams;
    if (trains_[message_].datagrams > 1) tally_.trains++;
  }
  return static_cast<int>(datagrams);
}

/// The rest of the train at the front, datagram by datagram in one call.
int SendBatch::sendCut(int fd) {
  const Train& train = trains_[message_];
  msghdr whole = messages_[message_].msg_hdr;
  // The last control message is the one that made it a train.
  whole.msg_controllen -= CMSG_SPACE(sizeof(uint16_t));
  const uint32_t left = train.datagrams - cut_;
  for (uint32_t i = 0; i < left; i++) {
    const std::span<const uint8_t> datagram = datagrams_[train.first + cut_ + i];
    pieceVectors_[i] = {const_cast<uint8_t*>(datagram.data()), datagram.size()};
    pieces_[i].msg_hdr = whole;
    pieces_[i].msg_hdr.msg_iov = &pieceVectors_[i];
    pieces_[i].msg_hdr.msg_iovlen = 1;
  }
  tally_.calls++;
  const int sent = sendmmsg(fd, pieces_.data(), left, MSG_DONTWAIT);
  if (sent <= 0) return -1;
  advanceCut(static_cast<uint32_t>(sent));
  return sent;
}

void SendBatch::advanceCut(uint32_t datagrams) {
  cut_ += datagrams;
  if (cut_ < trains_[message_].datagrams) return;
  message_++;
  cut_ = 0;
  cutting_ = false;
}

uint32_t SendBatch::drop() {
  if (cutting_) {
    advanceCut(1);
    return 1;
  }
  return trains_[message_++].datagrams;
}

}  // namespace quicproxy
