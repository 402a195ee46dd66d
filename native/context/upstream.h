#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "context/source_use.h"
#include "io/event_tag.h"
#include "io/listen_socket.h"
#include "io/receive_batch.h"

namespace quicproxy {

struct WorkerContext;

/// A datagram on its way to the backend of a flow.
struct Departure {
  std::span<const uint8_t> payload;
  uint64_t receivedNs;
  uint64_t routedNs;  ///< 0 where the flow is not sampled
  uint32_t flow;
  int error;             ///< errno of the kernel; 0: it has the datagram
  uint8_t rule;          ///< that it was routed by
  uint8_t hopLimit;      ///< one less than it came with
  uint8_t trafficClass;  ///< that it came with
};

/// How the flows of one worker reach their backends. Each flow has a source port of its own toward its backend, so that
/// the backend sees every client path as a path (RFC 9312 section 4.3). One implementation per level; the worker's
/// thread alone uses it.
class Upstream {
 public:
  enum class Outcome : uint8_t { kOpened, kAtBound, kFailed };

  /// Departures of one call: what a few trains hold.
  static constexpr uint32_t kMaxDepartures = 1024;

  virtual ~Upstream() = default;

  /// Has replies announced to an epoll set, as events of EventTag::Kind::kUpstream; false with errno set if it cannot.
  /// Called once, before all others.
  virtual bool announceTo(int epollFd) = 0;

  /// Makes the way of a flow that was just created. hopLimit: one less than its first datagram came with, as a router
  /// would have it: two forwarders that send to each other stop by themselves.
  virtual Outcome open(WorkerContext& context, uint32_t flow, uint8_t hopLimit) = 0;
  virtual void close(WorkerContext& context, uint32_t flow) = 0;

  /// Whether a flow can send from the port of another worker's flow (kFlowBorrowed), whose worker gets the replies.
  /// Such a flow is not opened, but closed.
  [[nodiscard]] virtual bool canBorrow() const { return false; }

  /// No flow can be opened now, to no backend.
  [[nodiscard]] virtual bool atBound(const WorkerContext& context) const = 0;
  [[nodiscard]] virtual uint32_t socketCount() const = 0;

  /// Sizes of the socket buffers from now on: at once, or where there are many sockets with the next calls of tend().
  virtual void setBuffers(const BufferSizes& buffers) = 0;
  /// The smallest receive buffer, as the kernel accounts it.
  [[nodiscard]] virtual uint32_t receiveBufferBytes() const = 0;
  /// To be called every few hundred milliseconds: counts what the kernel dropped at the sockets, gives back what is
  /// unused.
  virtual void tend(WorkerContext& context) = 0;
  /// A flow that nobody confirmed whose end makes room for another one to this backend, and that `spared` (by flow)
  /// does not name; kNoFlow where none is found. Looks at a bounded number of them, the next time at others.
  [[nodiscard]] virtual uint32_t victimToward(WorkerContext& context, uint16_t backendSlot,
                                              const std::vector<bool>& spared) = 0;

  /// Any thread: whether flows leave from this source (index in the snapshot).
  [[nodiscard]] bool usesSource(uint8_t source) const { return sourceUse_.any(source); }

  /// Sends datagrams and notes how each fared; the order within a flow is kept. Counts calls and trains, and ICMP
  /// errors that came in before.
  virtual void send(WorkerContext& context, std::span<Departure> departures) = 0;

  /// Takes what an event announced into the batch, from slot `first` on. Writes the flow of each message to `flows` (by
  /// slot), kNoFlow where there is none: a train is of one flow. Returns the number of messages taken; the caller asks
  /// again while that fills the batch.
  virtual uint32_t receive(WorkerContext& context, const EventTag& tag, ReceiveBatch& batch, uint32_t first,
                           std::span<uint32_t> flows) = 0;

 protected:
  SourceUse sourceUse_;
};

}  // namespace quicproxy
