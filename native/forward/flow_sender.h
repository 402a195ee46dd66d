#pragma once

#include <cstdint>
#include <span>

#include "context/flow_groups.h"
#include "context/upstream.h"
#include "io/send_batch.h"
#include "io/train_pause.h"

namespace quicproxy {

/// Sends the departures of one flow after the other, each flow's in order through a socket of its own, as trains where
/// they make some.
class FlowSender {
 public:
  /// flowCapacity: flows are numbered below it.
  explicit FlowSender(uint32_t flowCapacity);

  /// Groups those departures whose flow it is to send for: isMine(flow). Valid until the next call.
  template <typename IsMine>
  std::span<const FlowGroups::Group> group(std::span<const Departure> departures, IsMine&& isMine) {
    groups_.clear();
    const auto count = static_cast<uint16_t>(departures.size());
    for (uint16_t i = 0; i < count; i++) {
      if (isMine(departures[i].flow)) groups_.add(departures[i].flow, 0, i);
    }
    return groups_.all();
  }

  /// `to`: null when the socket is connected: then ICMP errors come to it. Notes how each departure fared.
  void send(WorkerContext& context, std::span<Departure> departures, const FlowGroups::Group& group, int fd,
            const SocketAddress* to);

 private:
  FlowGroups groups_;
  SendBatch out_;
  TrainPause pause_;
};

}  // namespace quicproxy
