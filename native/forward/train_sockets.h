#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "context/upstream.h"
#include "forward/flow_sender.h"
#include "forward/payload_mark.h"
#include "io/file_descriptor.h"
#include "io/socket_address.h"
#include "route/flow.h"

namespace quicproxy {

/// Sockets that are lent to the few flows of a worker that send much at a time: the kernel cuts what they send into
/// datagrams (UDP_SEGMENT), which it does not for a raw socket. Such a socket is bound to the flow's source address and
/// port and never connected: SK_LOOKUP comes before unconnected sockets, so replies go where they went before.
class TrainSockets {
 public:
  static constexpr size_t kMaxLent = 64;

  explicit TrainSockets(uint32_t flowCapacity);

  [[nodiscard]] bool isLentTo(uint32_t flow) const { return lease_[flow] < kMaxLent; }
  [[nodiscard]] uint32_t count() const { return count_; }

  /// Sends the departures of flows that have a socket.
  void send(WorkerContext& context, std::span<Departure> departures);
  /// Lends sockets to those flows of the round that sent long runs without loss, from the next round on: within a round
  /// the order of a flow's datagrams would be lost.
  void lend(WorkerContext& context, std::span<const Departure> departures);
  /// Whether this is how the latest datagram began that the flow sent through a lent socket: the kernel computes the
  /// checksums there.
  [[nodiscard]] bool quotes(uint32_t flow, std::span<const uint8_t> quoted) const {
    return isLentTo(flow) && lent_[lease_[flow]].latest.begins(quoted);
  }
  /// The flow has ended.
  void giveBack(uint32_t flow);

 private:
  struct Lent {
    FileDescriptor fd;
    uint32_t flow = kNoFlow;
    uint32_t usedAtMs = 0;
    uint8_t hopLimit = 0;
    SocketAddress backend;
    PayloadMark latest{};
  };
  static constexpr uint8_t kNone = 0xff;   ///< no socket yet
  static constexpr uint8_t kNever = 0xfe;  ///< the kernel refused one
  static_assert(kMaxLent < kNever);

  void noteRun(WorkerContext& context, const Departure& departure, uint32_t datagrams);
  [[nodiscard]] size_t freePlace(uint32_t nowMs);

  std::array<Lent, kMaxLent> lent_;
  std::vector<uint8_t> lease_;  ///< by flow: place in lent_, kNone or kNever
  std::vector<uint8_t> heat_;   ///< by flow: datagrams in long runs so far
  uint32_t count_ = 0;
  FlowSender sender_;
};

}  // namespace quicproxy
