#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <span>
#include <vector>

#include "io/socket_address.h"
#include "wire/four_tuple.h"

namespace quicproxy {

/// Where a message goes, and how.
struct Heading {
  const FourTuple* client = nullptr;  ///< to this client, from the address it knows
  uint8_t trafficClass = 0;
  const SocketAddress* to = nullptr;   ///< without a client: to this address; null: the socket is connected
  uint32_t flow = 0;                   ///< messages of one flow share the queues on their way
  std::span<const uint8_t> headers{};  ///< IP and UDP headers of the datagram, which goes out of a raw socket
};

/// Whether the call may tell of an ICMP error about an earlier datagram instead of sending (IP_RECVERR, or a connected
/// socket).
enum class EarlierErrors : uint8_t { kNone, kPossible };

/// Datagrams on their way out of one socket, in the order in which they are added, as messages for sendmmsg: single
/// datagrams, or trains of equal ones that the kernel or the device cuts (UDP_SEGMENT, udp(7)). The datagrams stay
/// where they are until everything is sent. What the kernel will not send as a train is sent one by one.
class SendBatch {
 public:
  /// Kernels before 6.9 cut a train into 64 pieces at most.
  static constexpr uint32_t kMaxTrainDatagrams = 64;
  /// What fits into one IPv4 packet behind its headers.
  static constexpr uint32_t kMaxTrainBytes = 65507;

  /// capacity: datagrams between two calls of clear().
  explicit SendBatch(uint32_t capacity);

  void clear();
  [[nodiscard]] uint32_t size() const { return added_; }

  /// Adds a datagram as a message of its own.
  void begin(std::span<const uint8_t> datagram, const Heading& heading);
  /// Adds a datagram to the message begun last, which has the same heading. False if they make no train together.
  [[nodiscard]] bool join(std::span<const uint8_t> datagram);

  /// Sends everything; what the kernel does not take is given up. Calls fared(first, count, error) with places of
  /// datagrams, each of which is in one of these calls; error: errno of the kernel, 0 when they were sent.
  ///
  /// A socket buffer that is full (EAGAIN) is full for all that follow, and a call for each would cost most where CPU
  /// is scarce: they are given up together. A full device queue (ENOBUFS) may be that of one flow, class or device
  /// alone: given up is what follows at once of the same flow.
  template <typename Fared>
  void sendAll(int fd, EarlierErrors earlier, Fared&& fared) {
    Attempt attempt{};
    while (!done()) {
      const uint32_t first = front();
      const int count = send(fd);
      if (count > 0) {
        attempt = {};
        fared(first, static_cast<uint32_t>(count), 0);
        continue;
      }
      const int error = errno;
      if (earlier == EarlierErrors::kPossible && isWorthAnother(attempt, error)) continue;
      attempt.times = 0;
      fared(first, giveUp(error), error);
    }
  }

  [[nodiscard]] bool done() const { return message_ == begun_; }
  /// The datagram that is sent next.
  [[nodiscard]] uint32_t front() const { return trains_[message_].first + cut_; }
  /// Sends from the front on, at least one message in one call. Returns the number of datagrams sent, or -1 with errno
  /// set and nothing sent.
  int send(int fd);
  /// Gives up the message at the front, of a train that is being cut one piece. Returns the number of datagrams that
  /// were in it.
  uint32_t drop();

  /// What happened since clear().
  struct Tally {
    uint32_t calls;          ///< of the kernel
    uint32_t trains;         ///< sent as such
    uint32_t trainsRefused;  ///< sent one by one instead
    bool deviceRefused;      ///< EIO: no train will pass there soon
    bool queueFull;          ///< ENOBUFS: a queue that cuts a train itself could drop part of it without a word
  };
  [[nodiscard]] const Tally& tally() const { return tally_; }

 private:
  struct Train {
    uint32_t first;
    uint32_t datagrams;
    uint32_t bytes;
    uint32_t segmentBytes;
    uint32_t flow;
  };
  /// What became of the message at the front.
  struct Attempt {
    uint32_t times;
    int error;  ///< of the latest failure, this message's or one's before it
  };
  struct Control {
    alignas(cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int))];
  };

  [[nodiscard]] static bool isWorthAnother(Attempt& attempt, int error);
  uint32_t giveUp(int error);
  int sendMessages(int fd);
  int sendCut(int fd);
  void advanceCut(uint32_t datagrams);

  std::vector<std::span<const uint8_t>> datagrams_;
  std::vector<iovec> vectors_;
  std::vector<mmsghdr> messages_;
  std::vector<SocketAddress> names_;
  std::vector<Control> controls_;
  std::vector<Train> trains_;
  std::vector<mmsghdr> pieces_;
  std::vector<iovec> pieceVectors_;
  uint32_t added_ = 0;
  uint32_t vectorsUsed_ = 0;
  uint32_t begun_ = 0;    ///< messages
  uint32_t message_ = 0;  ///< the one at the front
  uint32_t cut_ = 0;      ///< datagrams of it that have left one by one
  bool cutting_ = false;
  Tally tally_{};
};

}  // namespace quicproxy
