#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "abi/contract.h"
#include "route/cid_lengths.h"
#include "route/flow_table.h"
#include "route/invariants.h"
#include "route/maglev.h"
#include "route/quic_lb_routing.h"

namespace quicproxy {

/// What the contract says about routing; stays the same while a datagram is on its way.
struct RouteView {
  const QuicLbRouting& quicLb;
  const MaglevTable& maglev;
  std::span<const uint8_t> backendEpochs;  ///< by slot; 0: no backend there
  SipKey hashKey;                          ///< shared by all proxies of one QuicProxy
  Fallback fallback;
  uint8_t shortHeaderCidLength;
  uint32_t idleTimeoutMs;
  uint32_t sampleOneIn;                      ///< 0: no connection is sampled
  std::span<const FlowTable* const> tables;  ///< of all workers, the router's own among them; made with one key
};

enum class Rule : uint8_t { kQuicLb, kTupleScid, kDcid, kTuple, kFallback, kNone };

struct Decision {
  HeaderForm form = HeaderForm::kEmpty;
  Rule rule = Rule::kNone;
  uint16_t backendSlot = kNoBackend;
  uint32_t flow = kNoFlow;      ///< the tuple's flow to that backend; kNoFlow: one is to be created
  bool readdressed = false;     ///< a known Connection ID on a tuple that had no flow to its backend
  bool foundElsewhere = false;  ///< the Connection ID, or with kTuple the 4-tuple, stood in another worker's table
  QuicLbRouting::Outcome quicLb = QuicLbRouting::Outcome::kOff;
  std::span<const uint8_t> cid;  ///< the destination Connection ID, as far as its length is known
  std::optional<Digest128> scidKey;
  std::optional<Digest128> dcidKey;
};

/// What recording did, for the counters.
struct Recorded {
  uint32_t cids = 0;
  uint32_t tableFull = 0;
  std::span<const uint8_t>
      vouched{};  ///< the Connection ID among them that comes from a backend, or from an answered flow
};

/// Chooses the backend of each datagram from a client: the forwarding order of draft-ietf-quic-load-balancers, first
/// hit wins. One per worker. A connection whose packets the kernel moved to another worker (its address changed) is
/// found in that worker's table, which is read without a lock.
class Router {
 public:
  /// `lengths`: those that the workers share.
  Router(FlowTable& own, CidLengths& lengths) : own_(own), lengths_(lengths) {}

  [[nodiscard]] Decision decide(const RouteView& view, const FourTuple& tuple, std::span<const uint8_t> datagram,
                                uint32_t nowMs) const;

  /// The proxy of the story that this project answers: consistent hash over the Connection ID, no memory.
  [[nodiscard]] Decision decideStateless(const RouteView& view, const FourTuple& tuple,
                                         std::span<const uint8_t> datagram, uint32_t nowMs) const;

  /// Decides of a new flow whether it is sampled, by the Connection ID that its first datagram came with.
  void sampleNew(const RouteView& view, const Decision& decision, uint32_t flow) const;

  /// Keeps what a routed datagram taught: its SCID and DCID lead to `flow`.
  Recorded record(const RouteView& view, const Decision& decision, uint32_t flow, uint32_t nowMs);

  /// Takes the Connection ID that a backend chose from its long headers (Initial, Handshake, Retry).
  Recorded learn(const RouteView& view, uint32_t flow, std::span<const uint8_t> fromBackend, uint32_t nowMs);

 private:
  /// A datagram on its way through the forwarding order.
  struct Arrival {
    const RouteView& view;
    const FourTuple& tuple;
    std::span<const uint8_t> datagram;
    Invariants packet;
    uint32_t nowMs;
  };
  struct CidHit {
    FlowReference reference;
    std::span<const uint8_t> cid;
    Digest128 key;
    bool foreign;
  };
  /// When entries of Connection IDs are made and when they are too old.
  struct Age {
    uint32_t nowMs;
    uint32_t idleMs;
  };
  using Cid = std::optional<std::span<const uint8_t>>;

  [[nodiscard]] bool decideByServerId(const Arrival& arrival, Decision& decision) const;
  [[nodiscard]] bool decideByScid(const Arrival& arrival, Decision& decision) const;
  [[nodiscard]] bool decideByDcid(const Arrival& arrival, Decision& decision) const;
  [[nodiscard]] bool decideByTuple(const Arrival& arrival, Decision& decision) const;
  [[nodiscard]] bool decideByForeignTuple(const Arrival& arrival, const Digest128& key, Decision& decision) const;
  void decideByFallback(const Arrival& arrival, Cid cid, Decision& decision) const;

  [[nodiscard]] std::optional<CidHit> findCid(const RouteView& view, std::span<const uint8_t> cid,
                                              uint32_t nowMs) const;
  [[nodiscard]] std::optional<CidHit> findShortHeaderCid(const Arrival& arrival) const;
  [[nodiscard]] static Cid expectedCid(const Arrival& arrival, const Flow* flow);
  [[nodiscard]] Cid statelessCid(const Arrival& arrival) const;

  Recorded claim(const Decision& decision, uint32_t flow, Age age);
  Recorded vouch(const RouteView& view, uint32_t flow, const Digest128& key, uint32_t nowMs);
  static void sampleBy(const RouteView& view, std::span<const uint8_t> cid, Flow& flow);
  /// False when there is no free place.
  bool insert(IndexTable& table, const Digest128& key, uint32_t flow, Age age);

  FlowTable& own_;
  CidLengths& lengths_;
};

}  // namespace quicproxy
