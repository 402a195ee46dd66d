#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <span>
#include <vector>

#include "io/mapped_memory.h"
#include "io/socket_address.h"
#include "route/four_tuple.h"

namespace quicproxy {

/// The largest UDP payload is 65,507 octets over IPv4 and 65,527 over IPv6: a slot of 64 KiB never truncates.
inline constexpr size_t kDatagramBytes = 65536;

/// A fixed set of datagram slots and the message headers that recvmmsg and sendmmsg work on. A datagram stays where it
/// was received: it is sent from the same slot. Allocated once; the pages of a slot are touched only by datagrams.
class DatagramBatch {
 public:
  explicit DatagramBatch(uint32_t capacity);

  [[nodiscard]] bool ready() const { return static_cast<bool>(payload_); }
  [[nodiscard]] uint32_t capacity() const { return static_cast<uint32_t>(messages_.size()); }

  /// Fills slots from `first` on, as many as the socket has and the batch holds.
  /// Returns the number received, or -1 with errno set.
  int receive(int fd, uint32_t first);

  [[nodiscard]] std::span<const uint8_t> datagram(uint32_t index) const {
    return {slot(index), messages_[index].msg_len};
  }

  /// The client's path of a datagram that came from a listening socket.
  [[nodiscard]] FourTuple fourTuple(uint32_t index, uint16_t localPort) const;

  /// What the IP header of a datagram from a listening socket had left (TTL, hop limit).
  [[nodiscard]] uint8_t hopLimit(uint32_t index) const;

  /// DSCP and ECN of a datagram, from sockets that were asked to tell (receiveTrafficClass); 0 from others.
  [[nodiscard]] uint8_t trafficClass(uint32_t index) const;

  /// Addresses a received datagram to the client of `tuple`, from the local address that the client knows, with the
  /// traffic class that it came with.
  void addressToClient(uint32_t index, const FourTuple& tuple);

  /// Sends `count` slots from `first` on in one call. Returns the number sent, or -1 with errno set.
  int send(int fd, uint32_t first, uint32_t count);

  /// Sends the slots named by `indexes`, in that order, on a connected socket in one call, each with the traffic class
  /// that it came with. v4: the socket's family.
  int sendConnected(int fd, bool v4, std::span<const uint16_t> indexes);

 private:
  struct Control {
    alignas(cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int))];
  };

  [[nodiscard]] uint8_t* slot(uint32_t index) const { return payload_.data() + size_t{index} * kSlotStride; }
  void prepareReceive(uint32_t index);

  /// Slots exactly 64 KiB apart would all start in the same few cache sets.
  static constexpr size_t kSlotStride = kDatagramBytes + size_t{2} * 1024 + 64;

  /// Slots from here on are ready to receive; preparing all of them for each call would cost more than a datagram.
  uint32_t preparedFrom_;
  MappedMemory payload_;
  std::vector<mmsghdr> messages_;
  std::vector<iovec> vectors_;
  std::vector<SocketAddress> names_;
  std::vector<Control> controls_;
  std::vector<mmsghdr> gathered_;
  std::vector<Control> gatheredControls_;
};

}  // namespace quicproxy
