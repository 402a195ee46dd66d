#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "context/upstream.h"
#include "forward/icmp_socket.h"
#include "forward/port_table.h"
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
  /// Gives its ports back.
  ~RawUpstream() override;

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
  /// What an address family needs; empty where the host has no such family.
  struct Family {
    FileDescriptor raw;
    FileDescriptor catching;
    IcmpSocket icmp;
    // What of the kernel's drops there has been counted.
    uint32_t catchingDrops = 0;
    uint32_t icmpDrops = 0;
  };
  struct Header {
    uint8_t octets[kMaxUdpHeadersBytes];
  };
  static constexpr uint16_t kNone = 0xffff;

  RawUpstream(const Options& options, UpstreamPorts& ports);

  std::string openFamily(bool v6);
  void setFamilyBuffers(const Family& family) const;
  void countKernelDrops(WorkerContext& context);
  bool chooseFrom(WorkerContext& context, uint32_t flow, uint8_t source);
  bool takeInTurn(WorkerContext& context, uint32_t flow, uint32_t tries);
  bool takeHereAndThere(WorkerContext& context, uint32_t flow);
  bool take(WorkerContext& context, uint32_t flow, uint16_t port);
  [[nodiscard]] uint16_t nextPort(uint32_t& cursor) const;
  bool claim(uint32_t nowMs, UpstreamPorts::Need need);
  [[nodiscard]] uint16_t portAt(uint32_t place) const;
  void giveBack(size_t position);
  void countUsable();
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
  void receiveErrors(WorkerContext& context, bool v6);

  uint32_t worker_;
  BufferSizes buffers_;
  UpstreamPorts& ports_;
  Family families_[2];  ///< IPv4, IPv6
  PortTable table_;
  TrainSockets trains_;
  std::vector<uint8_t> blocks_;  ///< that this worker takes ports from
  /// Of each block that this worker has.
  struct BlockUse {
    uint32_t flows = 0;
    uint32_t emptySinceMs = 0;
  };
  std::array<BlockUse, 256> blockUse_{};
  uint16_t leavingBlock_ = kNone;  ///< its flows go over to other ports, so that another worker gets it
  uint32_t leavingNext_ = 0;       ///< the flow that is looked at next, to empty it
  MappedMemory portsUsed_;         ///< 16-bit numbers of flows by backend slot and source: touched where there are any
  uint32_t usable_ = 0;            ///< ports of blocks_ that may be sent from
  uint32_t countedAtMs_ = 0;
  uint16_t lastClosed_ = 0;
  uint32_t cursor_;            ///< in the ports of blocks_: the longest unused port comes next
  uint32_t victimCursor_ = 0;  ///< the same, of ports whose flow may give way
  std::vector<Header> headers_;
  SendBatch out_;
  SentDatagrams sent_;
  std::vector<uint16_t> positions_;  ///< of the departures of one family, by place in out_
};

}  // namespace quicproxy
