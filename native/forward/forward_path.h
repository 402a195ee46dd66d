#pragma once

#include <cstdint>
#include <vector>

#include "context/upstream.h"
#include "context/worker_context.h"
#include "forward/admission.h"
#include "io/receive_batch.h"
#include "receive/receive_ring.h"

namespace quicproxy {

/// Client to backend: receive a batch, route each datagram by itself, hand what is routed to the upstream level. A
/// train may hold datagrams of several connections: all that they share is the 4-tuple.
class ForwardPath {
 public:
  ForwardPath(WorkerContext& context, uint32_t batch);

  [[nodiscard]] bool ready() const { return batch_.ready(); }

  struct Taken {
    uint32_t messages;  ///< of one receive call: as many as the batch holds if there may be more
    uint32_t datagrams;
  };
  /// Takes one batch from the listening socket of `endpoint`.
  Taken receive(uint8_t endpoint);
  /// Takes one batch from what a receiving thread has put into the ring.
  Taken take(ReceiveRing& ring);

 private:
  void noteTimes(const ReceiveRing& ring, const Taken& taken, uint64_t beganNs);
  void routeAll(const Received& message, uint8_t endpoint);
  void route(const Received& message, std::span<const uint8_t> payload, uint8_t endpoint);
  [[nodiscard]] Decision decide(const RouteView& view, const Received& message, std::span<const uint8_t> payload);
  [[nodiscard]] uint32_t flowOf(const RouteView& view, Decision& decision, const Received& message,
                                std::span<const uint8_t> payload, uint8_t endpoint);
  [[nodiscard]] uint32_t begin(const Decision& decision, const Received& message, uint8_t endpoint);
  [[nodiscard]] bool followOwner(uint32_t flow);
  [[nodiscard]] bool movesTooOften(const Decision& decision);
  [[nodiscard]] Room room();
  [[nodiscard]] uint32_t create(const FlowTable::NewFlow& wanted);
  [[nodiscard]] uint32_t openFlow(const FlowTable::NewFlow& wanted, uint8_t hopLimit);
  [[nodiscard]] uint32_t borrowFlow(const Decision& decision, FlowTable::NewFlow wanted);
  void countNew(const Decision& decision, uint32_t flow);
  [[nodiscard]] uint32_t oldestEvictable();
  void makeRoom();
  bool makeRoomToward(uint16_t backendSlot);
  void send();
  void countSent(const Departure& departure);
  void countDropped(const Departure& departure);
  void note(const Departure& departure, SampleOutcome outcome);

  WorkerContext& context_;
  ReceiveBatch batch_;
  std::vector<Departure> departures_;
  std::vector<bool> inRound_;  ///< by flow: datagrams of the present round wait for it
  uint64_t receivedNs_ = 0;
};

}  // namespace quicproxy
