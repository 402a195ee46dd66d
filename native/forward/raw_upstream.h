#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "context/upstream.h"
#include "forward/port_blocks.h"
#include "forward/port_table.h"
#include "forward/raw_sockets.h"
#include "forward/sent_datagrams.h"
#include "forward/train_sockets.h"
#include "forward/udp_headers.h"
#include "forward/upstream_ports.h"
#include "io/listen_socket.h"
#include "io/mapped_memory.h"

namespace quicproxy {

struct Backend;

/// Upstream level RawSend: no descriptor per flow. Datagrams leave by a raw socket with IP and UDP headers of our own,
/// so that one call carries datagrams of many flows; replies to all of the worker's ports come to one catching socket
/// per address family (UpstreamPorts), so that one call takes replies of many flows. The few flows that send much at a
/// time are lent sockets that send trains (TrainSockets). A port serves as many flows as there are backends and local
/// addresses toward them. Needs CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF.
class RawUpstream final : public Upstream {
 public:
  struct Options {
    uint32_t worker;
    uint32_t flowCapacity;
    BufferSizes buffers;
    SipKey key;
  };

  /// The text says which step failed and why.
  static std::variant<std::unique_ptr<RawUpstream>, std::string> create(const Options& options, UpstreamPorts& ports);

  bool announceTo(int epollFd) override;
  Outcome open(WorkerContext& context, uint32_t flow, uint8_t hopLimit) override;
  void close(WorkerContext& context, uint32_t flow) override;
  /// A raw socket sends from any port.
  [[nodiscard]] bool canBorrow() const override { return true; }
  /// Ports run out toward one backend at a time: open tells.
  [[nodiscard]] bool atBound(const WorkerContext& /*context*/) const override { return false; }
  [[nodiscard]] uint32_t socketCount() const override;
  void setBuffers(const BufferSizes& buffers) override;
  [[nodiscard]] uint32_t receiveBufferBytes() const override;
  [[nodiscard]] uint32_t victimToward(WorkerContext& context, uint16_t backendSlot,
                                      const std::vector<bool>& spared) override;
  /// Counts what the kernel dropped. Gives back blocks that no flow has used for a minute, and one to a worker that has
  /// none.
  void tend(WorkerContext& context) override;
  void send(WorkerContext& context, std::span<Departure> departures) override;
  uint32_t receive(WorkerContext& context, const EventTag& tag, ReceiveBatch& batch, uint32_t first,
                   std::span<uint32_t> flows) override;

 private:
  struct Header {
    uint8_t octets[kMaxUdpHeadersBytes];
  };

  RawUpstream(const Options& options, UpstreamPorts& ports);

  [[nodiscard]] const RawSockets& familyOf(const SocketAddress& backend) const {
    return families_[backend.family() == AF_INET6 ? 1 : 0];
  }
  bool chooseFrom(WorkerContext& context, uint32_t flow, uint8_t source);
  bool take(WorkerContext& context, uint32_t flow, uint16_t port);
  void emptyLeavingBlock(WorkerContext& context);
  [[nodiscard]] bool isOutdated(const WorkerContext& context, const Flow& flow) const;
  void reopen(WorkerContext& context, uint32_t flow);
  void reopenOutdated(WorkerContext& context, std::span<Departure> departures);
  [[nodiscard]] uint16_t& portsUsed(uint16_t backendSlot, uint8_t source) {
    return reinterpret_cast<uint16_t*>(portsUsed_.data())[size_t{backendSlot} * 256 + source];
  }
  [[nodiscard]] uint32_t findFlow(const WorkerContext& context, const FourTuple& path) const;
  void prepare(const WorkerContext& context, const Departure& departure);
  void sendFamily(WorkerContext& context, bool v6, std::span<Departure> departures);
  void receiveErrors(WorkerContext& context, IcmpSocket& icmp);

  BufferSizes buffers_;
  UpstreamPorts& ports_;
  std::array<RawSockets, 2> families_{RawSockets(false), RawSockets(true)};  ///< IPv4, IPv6
  PortTable table_;
  TrainSockets trains_;
  uint32_t leavingNext_ = 0;  ///< the flow that is looked at next, to empty the block that is given up
  MappedMemory portsUsed_;    ///< 16-bit numbers of flows by backend slot and source: touched where there are any
  std::vector<Header> headers_;
  SendBatch out_;
  SentDatagrams sent_;
  std::vector<uint16_t> positions_;  ///< of the departures of one family, by place in out_
  PortBlocks blocks_;                ///< the first to go: while a port is this worker's, its socket catches replies
};

}  // namespace quicproxy
