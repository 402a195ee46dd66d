#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "io/mapped_memory.h"
#include "io/socket_address.h"
#include "wire/four_tuple.h"

namespace quicproxy {

/// The largest UDP payload is 65,507 octets over IPv4 and 65,527 over IPv6, and the kernel makes no longer train: a
/// slot of 64 KiB never truncates.
inline constexpr size_t kDatagramBytes = 65536;

/// What one message of a receive call is: a datagram, or a train of datagrams that came one after the other with one
/// 4-tuple, one hop limit and one traffic class (UDP_GRO, udp(7)).
struct Received {
  std::span<const uint8_t> payload;
  uint32_t segmentBytes = 0;  ///< of each datagram of a train, the last may be shorter; of a single one all of it
  uint8_t hopLimit = 0;       ///< what the IP header had left
  uint8_t trafficClass = 0;   ///< DSCP and ECN (RFC 3168)
  FourTuple tuple{};          ///< client is who sent it; the local address as far as the kernel told
  bool unicast = true;        ///< false: sent to a broadcast or multicast address

  [[nodiscard]] uint32_t datagrams() const {
    if (segmentBytes == 0) return 1;
    return static_cast<uint32_t>((payload.size() + segmentBytes - 1) / segmentBytes);
  }
  [[nodiscard]] std::span<const uint8_t> datagram(uint32_t index) const {
    const size_t start = size_t{index} * segmentBytes;
    return payload.subspan(start, std::min<size_t>(segmentBytes, payload.size() - start));
  }
};

/// A fixed set of slots and the message headers that recvmmsg works on. Allocated once; the pages of a slot are touched
/// only by what is received. Slots that are not being received into may be read from another thread.
class ReceiveBatch {
 public:
  explicit ReceiveBatch(uint32_t capacity);

  [[nodiscard]] bool ready() const { return static_cast<bool>(payload_); }
  [[nodiscard]] uint32_t capacity() const { return static_cast<uint32_t>(messages_.size()); }

  /// Fills slots from `first` on, as many as the socket has and the batch holds.
  /// Returns the number of messages received, or -1 with errno set.
  int receive(int fd, uint32_t first) { return receive(fd, first, capacity() - first); }
  /// The same with `count` slots at most.
  int receive(int fd, uint32_t first, uint32_t count);

  [[nodiscard]] const SocketAddress& sender(uint32_t index) const { return names_[index]; }

  /// Where a message was sent to, from sockets with IP_RECVORIGDSTADDR; null if the kernel did not tell.
  [[nodiscard]] const sockaddr* originalDestination(uint32_t index) const;

  /// What the kernel had dropped at the socket when a message came, since the socket was opened, from sockets with
  /// SO_RXQ_OVFL; 0 too if the kernel did not tell.
  [[nodiscard]] uint32_t kernelDrops(uint32_t index) const;

  /// The message in slot `index`; localPort: of the socket it came in by.
  [[nodiscard]] Received received(uint32_t index, uint16_t localPort) const;

 private:
  struct Control {
    alignas(cmsghdr)
        uint8_t bytes[CMSG_SPACE(sizeof(in6_pktinfo)) + 4 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(sockaddr_in6))];
  };

  [[nodiscard]] uint8_t* slot(uint32_t index) const { return payload_.data() + size_t{index} * kSlotStride; }
  void prepare(uint32_t index);

  /// Slots exactly 64 KiB apart would all start in the same few cache sets.
  static constexpr size_t kSlotStride = kDatagramBytes + size_t{2} * 1024 + 64;

  /// Slots that are ready to receive; preparing all of them for each call would cost more than a datagram.
  uint32_t preparedFrom_ = 0;
  uint32_t preparedUntil_ = 0;
  MappedMemory payload_;
  std::vector<mmsghdr> messages_;
  std::vector<iovec> vectors_;
  std::vector<SocketAddress> names_;
  std::vector<Control> controls_;
};

}  // namespace quicproxy
