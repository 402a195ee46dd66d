#pragma once

#include <cstdint>
#include <vector>

#include "io/datagram_batch.h"
#include "worker/worker_context.h"

namespace quicproxy {

/// Backend to client: the upstream level tells the flow, the flow tells the client. Datagrams of many flows leave
/// together through the listening socket, each from the local address that its client knows.
class ReturnPath {
 public:
  ReturnPath(WorkerContext& context, uint32_t batch);

  [[nodiscard]] bool ready() const { return batch_.ready(); }

  /// Takes what an event of the upstream level announced, at most a few batches.
  void receive(const EventTag& tag);

  /// Sends what has been collected.
  void flush();

 private:
  uint32_t receiveOnce(const EventTag& tag);
  void take(uint32_t index, uint64_t receivedNs);
  [[nodiscard]] static bool isAllowed(Flow& flow, size_t datagramBytes);
  void countSent(uint32_t first, uint32_t count);
  void countDropped(uint32_t index, int error);
  void note(uint32_t index, SampleOutcome outcome);

  WorkerContext& context_;
  DatagramBatch batch_;
  uint32_t used_ = 0;
  std::vector<uint32_t> flows_;         ///< by datagram
  std::vector<uint64_t> receivedNs_;    ///< by datagram: 0 where its flow is not sampled
  std::vector<uint8_t> endpoints_;      ///< by datagram: where it leaves
  std::vector<uint8_t> refused_;        ///< by datagram: 1 when it does not go to the client
  std::vector<uint16_t> backendSlots_;  ///< by datagram: where it came from
};

}  // namespace quicproxy
