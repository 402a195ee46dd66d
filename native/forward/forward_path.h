#pragma once

#include <cstdint>
#include <vector>

#include "io/datagram_batch.h"
#include "worker/worker_context.h"

namespace quicproxy {

/// Client to backend: receive a batch, route each datagram, send what goes to one flow in one call.
class ForwardPath {
 public:
  ForwardPath(WorkerContext& context, uint32_t batch);

  [[nodiscard]] bool ready() const { return batch_.ready(); }

  /// Takes one batch from the listening socket of `endpoint`. Returns the number of datagrams taken.
  uint32_t receive(uint8_t endpoint);

 private:
  /// The datagrams of one batch that go to one flow, in order of arrival.
  struct Group {
    uint32_t flow;
    uint16_t first;
    uint16_t last;
    uint16_t count;
  };

  void route(uint16_t index, uint8_t endpoint, uint16_t localPort);
  [[nodiscard]] uint32_t admit(const Decision& decision, const FourTuple& tuple, uint8_t endpoint, uint8_t hopLimit);
  [[nodiscard]] uint32_t openFlow(const Decision& decision, const FourTuple& tuple, uint8_t endpoint, uint8_t hopLimit);
  void makeRoom();
  void noteSeen(Flow& flow, size_t datagramBytes) const;
  [[nodiscard]] bool isInBatch(uint32_t flow) const;
  void enqueue(uint16_t index, uint32_t flow);
  void send(const Group& group);
  void note(const Group& group, uint16_t index, SampleOutcome outcome);
  void countSent(const Group& group, std::span<const uint16_t> sent);
  void countRefused(const Group& group);
  void countDropped(const Group& group, int error);

  WorkerContext& context_;
  DatagramBatch batch_;
  std::vector<Group> groups_;
  struct Routed {
    uint64_t atNs;
    uint8_t rule;
  };
  uint64_t receivedNs_ = 0;
  std::vector<Routed> routed_;         ///< by datagram: when and how, where its flow is sampled
  std::vector<uint16_t> next_;         ///< by datagram: the next one of its group
  std::vector<uint16_t> groupOfFlow_;  ///< by flow: a guess that groups_ confirms
  std::vector<uint16_t> indexes_;
};

}  // namespace quicproxy
