#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "context/upstream.h"
#include "io/send_batch.h"
#include "io/train_pause.h"

namespace quicproxy {

/// Sends the departures of one flow after the other, each flow's in order through a socket of its own, as trains where
/// they make some.
class FlowSender {
 public:
  /// The departures of one flow, in order of arrival.
  struct Group {
    uint16_t first;
    uint16_t last;
  };

  /// flowCapacity: flows are numbered below it.
  explicit FlowSender(uint32_t flowCapacity);

  /// Groups those departures whose flow it is to send for: isMine(flow). Valid until the next call.
  template <typename IsMine>
  std::span<const Group> group(std::span<const Departure> departures, IsMine&& isMine) {
    groups_.clear();
    const auto count = static_cast<uint16_t>(departures.size());
    for (uint16_t i = 0; i < count; i++) {
      if (isMine(departures[i].flow)) add(departures, i);
    }
    return groups_;
  }

  /// `to`: null when the socket is connected: then ICMP errors come to it. Notes how each departure fared.
  void send(WorkerContext& context, std::span<Departure> departures, const Group& group, int fd,
            const SocketAddress* to);

 private:
  void add(std::span<const Departure> departures, uint16_t index);
  void gather(std::span<const Departure> departures, const Group& group, const SocketAddress* to, bool trains);

  std::vector<Group> groups_;
  std::vector<uint16_t> groupOfFlow_;  ///< by flow: a guess that groups_ confirms
  std::vector<uint16_t> next_;         ///< by departure: the next one of its group
  std::vector<uint16_t> positions_;    ///< of one group's departures, by place in out_
  SendBatch out_;
  TrainPause pause_;
};

}  // namespace quicproxy
