#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "context/flow_groups.h"
#include "context/worker_context.h"
#include "io/receive_batch.h"
#include "io/send_batch.h"
#include "io/train_pause.h"

namespace quicproxy {

/// Backend to client: the upstream level tells the flow, the flow tells the client. Datagrams of many flows leave
/// together through the listening socket, each from the local address that its client knows, those of one flow in order
/// and as trains where they are of one size.
class ReturnPath {
 public:
  ReturnPath(WorkerContext& context, uint32_t batch);

  [[nodiscard]] bool ready() const { return batch_.ready(); }

  /// Takes what an event of the upstream level announced, at most a few batches. False when there may be more.
  bool receive(const EventTag& tag);

  /// Sends what has been collected.
  void flush();

 private:
  /// A datagram that waits to be sent.
  struct Datagram {
    std::span<const uint8_t> payload;
    uint64_t receivedNs;  ///< 0 where its flow is not sampled
    uint16_t group;       ///< that it was added to
    uint8_t trafficClass;
  };
  /// Whom a group goes to: what it takes from the flow, which may end before it is sent.
  struct Client {
    FourTuple tuple;
    uint16_t backendSlot;
    uint8_t endpoint;
  };

  /// What one receive call of a timed batch brought.
  struct Arrival {
    uint64_t beganNs;  ///< before the call
    uint32_t datagrams;
  };

  uint32_t receiveOnce(const EventTag& tag);
  uint32_t receiveTimed(const EventTag& tag);
  void flushTimed();
  void take(uint32_t flow, const Received& message, uint64_t receivedNs);
  void countAnswered(const Flow& flow);
  void enqueue(uint32_t flow, const Datagram& datagram);
  void sendRound();
  void send(uint8_t endpoint);
  void countSent(uint32_t first, uint32_t count);
  void countDropped(uint32_t first, uint32_t count, int error);
  void note(uint32_t flow, const Datagram& datagram, SampleOutcome outcome);

  WorkerContext& context_;
  ReceiveBatch batch_;
  std::vector<uint32_t> flows_;  ///< by slot of batch_
  uint32_t used_ = 0;            ///< slots of batch_ whose datagrams have not been sent
  SendBatch out_;
  FlowGroups groups_;
  std::vector<Client> clients_;  ///< by group
  std::vector<Datagram> datagrams_;
  std::array<TrainPause, kMaxEndpoints> trainPauses_{};
  bool timed_ = false;             ///< the batch that is being collected
  uint64_t collectedNs_ = 0;       ///< time that its receive calls and what follows each took
  std::vector<Arrival> arrivals_;  ///< of it
};

}  // namespace quicproxy
