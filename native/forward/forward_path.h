#pragma once

#include <cstdint>
#include <vector>

#include "forward/upstream.h"
#include "io/datagram_batch.h"
#include "worker/worker_context.h"

namespace quicproxy {

/// Client to backend: receive a batch, route each datagram, hand what is routed to the upstream level.
class ForwardPath {
 public:
  ForwardPath(WorkerContext& context, uint32_t batch);

  [[nodiscard]] bool ready() const { return batch_.ready(); }

  /// Takes one batch from the listening socket of `endpoint`. Returns the number of datagrams taken.
  uint32_t receive(uint8_t endpoint);

 private:
  void route(uint16_t index, uint8_t endpoint, uint16_t localPort);
  [[nodiscard]] uint32_t admit(const Decision& decision, const FourTuple& tuple, uint8_t endpoint, uint8_t hopLimit);
  [[nodiscard]] uint32_t openFlow(const Decision& decision, const FourTuple& tuple, uint8_t endpoint, uint8_t hopLimit);
  void makeRoom();
  void noteSeen(Flow& flow, size_t datagramBytes) const;
  [[nodiscard]] bool isInBatch(uint32_t flow) const;
  void send();
  void countSent(const Departure& departure);
  void countDropped(const Departure& departure);
  void note(const Departure& departure, SampleOutcome outcome);

  WorkerContext& context_;
  DatagramBatch batch_;
  std::vector<Departure> departures_;
  struct Routed {
    uint64_t atNs;
    uint8_t rule;
  };
  uint64_t receivedNs_ = 0;
  std::vector<Routed> routed_;  ///< by datagram: when and how, where its flow is sampled
};

}  // namespace quicproxy
