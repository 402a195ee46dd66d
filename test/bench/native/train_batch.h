#pragma once

#include <algorithm>
#include <array>
#include <cstring>

#include "udp_socket.h"

namespace quicproxy::bench {

inline constexpr unsigned kBatch = 64;
/// The largest UDP payload of IPv4; a train that was received together may be as long.
inline constexpr size_t kMessageBytes = 65'507;

/// Messages of recvmmsg and sendmmsg. Each is one datagram, or a train: datagrams of one flow that pass the kernel as
/// one buffer (UDP_GRO, UDP_SEGMENT), all of one size but for the last, which may be shorter.
class TrainBatch {
 public:
  [[nodiscard]] mmsghdr* messages(size_t first = 0) { return &messages_[first]; }
  [[nodiscard]] uint8_t* payload(size_t index) { return payload_[index].data(); }
  [[nodiscard]] size_t bytes(size_t index) const { return messages_[index].msg_len; }

  /// Makes a message ready for recvmmsg.
  void prepareReceive(size_t index) {
    vectors_[index] = {payload_[index].data(), payload_[index].size()};
    msghdr& header = messages_[index].msg_hdr;
    header = {};
    header.msg_name = &names_[index];
    header.msg_namelen = sizeof names_[index];
    header.msg_iov = &vectors_[index];
    header.msg_iovlen = 1;
    header.msg_control = controls_[index].octets.data();
    header.msg_controllen = controls_[index].octets.size();
  }

  /// Octets of each datagram of a received message.
  [[nodiscard]] size_t datagramBytes(size_t index) {
    int bytes = 0;
    readControl(index, IPPROTO_UDP, UDP_GRO, bytes);
    return bytes > 0 ? static_cast<size_t>(bytes) : std::max<size_t>(1, this->bytes(index));
  }

  /// The local address to which a received message came.
  [[nodiscard]] in_addr receivedAt(size_t index) {
    in_pktinfo info{};
    readControl(index, IPPROTO_IP, IP_PKTINFO, info);
    return info.ipi_addr;
  }

  /// Makes a message of `bytes` octets ready for sendmmsg, from a local address, cut into datagrams of this size.
  void prepareSend(size_t index, in_addr from, size_t bytes, size_t datagramBytes) {
    vectors_[index] = {payload_[index].data(), bytes};
    msghdr& header = messages_[index].msg_hdr;
    header.msg_name = &names_[index];
    header.msg_namelen = sizeof names_[index];
    header.msg_iov = &vectors_[index];
    header.msg_iovlen = 1;
    header.msg_control = controls_[index].octets.data();
    header.msg_controllen = controls_[index].octets.size();
    cmsghdr* control = CMSG_FIRSTHDR(&header);
    in_pktinfo info{};
    info.ipi_spec_dst = from;
    writeControl(control, IPPROTO_IP, IP_PKTINFO, info);
    const bool isTrain = bytes > datagramBytes;
    if (isTrain) {
      control = reinterpret_cast<cmsghdr*>(reinterpret_cast<uint8_t*>(control) + CMSG_SPACE(sizeof info));
      writeControl(control, IPPROTO_UDP, UDP_SEGMENT, static_cast<uint16_t>(datagramBytes));
    }
    header.msg_controllen = CMSG_SPACE(sizeof info) + (isTrain ? CMSG_SPACE(sizeof(uint16_t)) : 0);
  }

  void sendTo(size_t index, const sockaddr_in& target) { names_[index] = target; }

 private:
  struct Control {
    alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(in_pktinfo)) + CMSG_SPACE(sizeof(int))> octets;
  };

  template <typename Value>
  void readControl(size_t index, int level, int type, Value& value) {
    msghdr& header = messages_[index].msg_hdr;
    for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr; control = CMSG_NXTHDR(&header, control)) {
      if (control->cmsg_level == level && control->cmsg_type == type) {
        std::memcpy(&value, CMSG_DATA(control), sizeof value);
      }
    }
  }

  template <typename Value>
  static void writeControl(cmsghdr* control, int level, int type, const Value& value) {
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(CMSG_DATA(control), &value, sizeof value);
  }

  std::array<std::array<uint8_t, kMessageBytes>, kBatch> payload_{};
  std::array<sockaddr_in, kBatch> names_{};
  std::array<iovec, kBatch> vectors_{};
  std::array<Control, kBatch> controls_{};
  std::array<mmsghdr, kBatch> messages_{};
};

}  // namespace quicproxy::bench
