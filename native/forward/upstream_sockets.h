#pragma once

#include <cstdint>
#include <vector>

#include "forward/upstream.h"
#include "io/file_descriptor.h"
#include "io/send_batch.h"
#include "io/socket_address.h"
#include "io/train_pause.h"

namespace quicproxy {

/// Upstream level ConnectedSocketPool: one connected socket per flow; the kernel tells replies and ICMP errors of flows
/// apart. Works without any capability; the price is a descriptor, a share of an epoll set and a call of its own for
/// each flow in a batch, so the pool is bounded.
class UpstreamSockets final : public Upstream {
 public:
  /// flowCapacity: flows are numbered below it; trains: several datagrams are received as one message where the kernel
  /// can (UDP_GRO). The snapshot tells how many sockets there may be at a time.
  UpstreamSockets(uint32_t flowCapacity, bool trains);

  bool announceTo(int epollFd) override;
  Outcome open(WorkerContext& context, uint32_t flow, uint8_t hopLimit) override;
  void close(WorkerContext& context, uint32_t flow) override;
  [[nodiscard]] bool atBound(const WorkerContext& context) const override;
  [[nodiscard]] uint32_t socketCount() const override { return open_; }
  void send(WorkerContext& context, std::span<Departure> departures) override;
  uint32_t receive(WorkerContext& context, const EventTag& tag, ReceiveBatch& batch, uint32_t first,
                   std::span<uint32_t> flows) override;

 private:
  /// The departures of one flow, in order of arrival.
  struct Group {
    uint16_t first;
    uint16_t last;
  };

  void group(std::span<const Departure> departures);
  void gather(std::span<const Departure> departures, const Group& group, bool trains);
  void sendGroup(WorkerContext& context, std::span<Departure> departures, const Group& group);

  std::vector<FileDescriptor> sockets_;
  uint32_t open_ = 0;
  int epollFd_ = -1;
  std::vector<Group> groups_;
  std::vector<uint16_t> groupOfFlow_;  ///< by flow: a guess that groups_ confirms
  std::vector<uint16_t> next_;         ///< by departure: the next one of its group
  std::vector<uint16_t> positions_;    ///< of one group's departures, by place in out_
  SendBatch out_;
  TrainPause trainPause_;
  bool trains_;
};

}  // namespace quicproxy
