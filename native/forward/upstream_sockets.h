#pragma once

#include <cstdint>
#include <vector>

#include "context/upstream.h"
#include "forward/flow_sender.h"
#include "forward/payload_mark.h"
#include "io/file_descriptor.h"

namespace quicproxy {

/// Upstream level ConnectedSocketPool: one connected socket per flow; the kernel tells replies and ICMP errors of flows
/// apart. Works without any capability; the price is a descriptor, a share of an epoll set and a call of its own for
/// each flow in a batch, so the pool is bounded.
class UpstreamSockets final : public Upstream {
 public:
  /// flowCapacity: flows are numbered below it; trains: several datagrams are received as one message where the kernel
  /// can (UDP_GRO). The snapshot tells how many sockets there may be at a time.
  UpstreamSockets(uint32_t flowCapacity, bool trains, const BufferSizes& buffers);

  bool announceTo(int epollFd) override;
  Outcome open(WorkerContext& context, uint32_t flow, uint8_t hopLimit) override;
  void close(WorkerContext& context, uint32_t flow) override;
  [[nodiscard]] bool atBound(const WorkerContext& context) const override;
  [[nodiscard]] uint32_t socketCount() const override { return open_; }
  void setBuffers(const BufferSizes& buffers) override;
  [[nodiscard]] uint32_t receiveBufferBytes() const override { return receiveBufferBytes_; }
  void tend(WorkerContext& context) override;
  /// The flow that has to go first, to whatever backend: all take from one pool.
  [[nodiscard]] uint32_t victimToward(WorkerContext& context, uint16_t backendSlot,
                                      const std::vector<bool>& spared) override;
  void send(WorkerContext& context, std::span<Departure> departures) override;
  uint32_t receive(WorkerContext& context, const EventTag& tag, ReceiveBatch& batch, uint32_t first,
                   std::span<uint32_t> flows) override;

 private:
  struct Pooled {
    FileDescriptor fd;
    uint32_t countedDrops = 0;  ///< of what the kernel dropped at it
    PayloadMark latest{};       ///< of what it sent
  };

  void reopenOutdated(WorkerContext& context, const Departure& departure);
  static void countKernelDrops(WorkerContext& context, Pooled& pooled, uint32_t drops);
  void takeErrors(WorkerContext& context, uint32_t flow) const;

  std::vector<Pooled> sockets_;  ///< by flow
  BufferSizes buffers_{};
  bool mayForce_ = false;
  uint32_t receiveBufferBytes_ = 0;
  uint32_t resized_;  ///< sockets below have the present sizes
  uint32_t open_ = 0;
  int epollFd_ = -1;
  FlowSender sender_;
  bool trains_;
};

}  // namespace quicproxy
