#pragma once

#include <cstdint>
#include <span>

#include "route/router.h"

namespace quicproxy {

/// What a datagram taught, for the counters and for steering.
struct Lesson {
  uint32_t learned = 0;                    ///< Connection IDs that the backend showed
  uint32_t claimed = 0;                    ///< Connection IDs that the client of a known flow used
  uint32_t tableFull = 0;                  ///< Connection IDs that found no place
  uint32_t lengthRefused = 0;              ///< lengths that found no place among the known ones
  bool confirmed = false;                  ///< the flow was confirmed by this datagram
  bool pathSettled = false;                ///< a path that a connection moved to has shown to receive
  std::span<const uint8_t> forSteering{};  ///< a Connection ID of this worker's that the kernel should know
};

/// What the flows of one worker learn from the datagrams that pass: Connection IDs, and whether their clients receive.
///
/// From a client: his own ID, once per connection; further IDs of his backend, when a known flow uses them in short
/// headers, or in long ones that his own ID tells, FlowHistory::kCids at a time, the latest ones. Nothing of it can
/// push out what a backend showed.
///
/// From a backend: the ID in its long headers, where they are QUIC for certain: addressed to an ID that the client has
/// shown, or of one version that both sides have shown. So look-alikes (RTP, RFC 7983) teach nothing; a version that
/// only the backend has shown yet (compatible version negotiation, RFC 9368) counts when the client uses the ID.
class Learner {
 public:
  Learner(FlowTable& own, CidLengths& lengths) : own_(own), lengths_(lengths) {}

  /// Names a new flow in the log, by the Connection ID that its first datagram came with, and decides whether it is
  /// sampled.
  void begin(const RouteView& view, const Decision& decision, uint32_t flow) const;

  /// A datagram from the client that was routed by `decision` to `flow`.
  Lesson fromClient(const RouteView& view, const Decision& decision, uint32_t flow, std::span<const uint8_t> datagram,
                    uint32_t nowMs);

  /// The client's long header has this version. Part of fromClient.
  void noteVersion(uint32_t flow, uint32_t version);

  /// A datagram from the backend of `flow`.
  Lesson fromBackend(const RouteView& view, uint32_t flow, std::span<const uint8_t> datagram, uint32_t nowMs);

 private:
  /// When entries of Connection IDs are made and when they are too old.
  struct Age {
    uint32_t nowMs;
    uint32_t idleMs;
  };

  /// A datagram of a client.
  struct Sent {
    const RouteView& view;
    const Decision& decision;
    std::span<const uint8_t> datagram;
    Age age;
  };

  struct UsedCid {
    const Digest128& key;
    std::span<const uint8_t> cid;
  };

  void prove(const Sent& sent, uint32_t flow, Lesson& lesson);
  [[nodiscard]] std::optional<std::span<const uint8_t>> backendsIdIn(const Sent& sent, uint32_t flow) const;
  void keepScid(const Decision& decision, uint32_t flow, Age age, Lesson& lesson);
  void follow(const Decision& decision, uint32_t flow, Age age, Lesson& lesson);
  void claim(const RouteView& view, const UsedCid& used, uint32_t flow, Age age, Lesson& lesson);
  void claimOfLong(const RouteView& view, uint32_t flow, std::span<const uint8_t> dcid, Age age, Lesson& lesson);
  [[nodiscard]] bool isQuicForCertain(const Invariants& packet, uint32_t flow, Age age) const;
  void vouch(const RouteView& view, uint32_t flow, std::span<const uint8_t> cid, Age age, Lesson& lesson);
  void noteShown(const RouteView& view, uint32_t flow, std::span<const uint8_t> cid, const Digest128& key);
  void meetKnown(const RouteView& view, const IndexTable::Found& known, const FlowReference& mine, uint32_t nowMs);
  /// Where it stands now; none when there is no place.
  std::optional<uint32_t> insert(const Digest128& key, const FlowReference& reference, Age age);
  [[nodiscard]] int rankOf(const FlowReference& present) const;
  void remember(uint32_t flow, uint32_t place);
  static void sampleBy(const RouteView& view, std::span<const uint8_t> cid, Flow& flow, FlowHistory& history);

  FlowTable& own_;
  CidLengths& lengths_;
};

}  // namespace quicproxy
