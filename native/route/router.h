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
  std::span<const uint8_t> takesNew;       ///< by slot; 0: gone, weight 0 or unhealthy: gets no new connection
  SipKey hashKey;                          ///< shared by all proxies of one QuicProxy
  Fallback fallback;
  uint8_t shortHeaderCidLength;
  uint32_t idleTimeoutMs;
  uint32_t sampleOneIn;                      ///< 0: no connection is sampled
  std::span<const FlowTable* const> tables;  ///< of all workers, the router's own among them; made with one key

  /// Whether a slot still has the backend that a reference names.
  [[nodiscard]] bool knows(const FlowReference& reference) const {
    return reference.backendSlot < backendEpochs.size() && reference.backendEpoch != 0 &&
           backendEpochs[reference.backendSlot] == reference.backendEpoch;
  }
};

/// Keyed hash of a Connection ID that all proxies of one QuicProxy share: names the connection in logs, picks samples.
[[nodiscard]] uint64_t connectionHash(const RouteView& view, std::span<const uint8_t> cid);

enum class Rule : uint8_t { kQuicLb, kTupleScid, kDcid, kTuple, kFallback, kNone };

/// Another worker's flow of the same 4-tuple and backend: its upstream port is the one to send from.
struct Owner {
  uint8_t worker;
  FlowReference reference;
  FlowWay way;
};

struct Decision {
  HeaderForm form = HeaderForm::kEmpty;
  Rule rule = Rule::kNone;
  uint16_t backendSlot = kNoBackend;
  uint32_t flow = kNoFlow;      ///< the tuple's flow to that backend; kNoFlow: one is to be created
  bool readdressed = false;     ///< a known or routable Connection ID on a tuple that nobody has a flow for
  bool known = false;           ///< somebody who has talked to this backend before, by an ID that strangers do not know
  bool foundElsewhere = false;  ///< the Connection ID or the 4-tuple stood in another worker's table
  bool overBudget = false;      ///< nobody had the time to find out: not to be forwarded
  bool askElsewhere = false;    ///< no table of this worker knows anything: Router::decideElsewhere may
  QuicLbRouting::Outcome quicLb = QuicLbRouting::Outcome::kOff;
  bool shown = false;               ///< a backend showed the Connection ID on this very flow
  bool provesOwner = false;         ///< the client used an ID that its backend showed on the owner's flow
  std::span<const uint8_t> cid{};   ///< the destination Connection ID, as far as its length is known
  uint32_t version = 0;             ///< of a long header
  uint32_t cidFlow = kNoFlow;       ///< with readdressed: the flow of this worker's that the Connection ID came from
  std::span<const uint8_t> dcid{};  ///< of a long header
  std::span<const uint8_t> scid{};
  std::optional<Digest128> tupleKey;
  std::optional<Digest128> scidKey;
  std::optional<Digest128> dcidKey;
  std::optional<Owner> owner;
};

/// Chooses the backend of each datagram from a client: the forwarding order of draft-ietf-quic-load-balancers, first
/// hit wins. One per worker. A connection whose packets the kernel moved to another worker (its address or the number
/// of workers changed) is found in that worker's table, which is read without a lock.
///
/// What could begin a connection (a long header whose destination ID nobody knows) goes to no backend that takes none,
/// whatever table knows its 4-tuple; all else of a known flow goes where it went.
class Router {
 public:
  /// `lengths`: those that the workers share.
  Router(FlowTable& own, const CidLengths& lengths) : own_(own), lengths_(lengths) {}

  /// By this worker's own tables, in a bounded number of look-ups. Where they know nothing and there are other workers,
  /// the decision is the fallback's and asks for decideElsewhere.
  [[nodiscard]] Decision decide(const RouteView& view, const FourTuple& tuple, std::span<const uint8_t> datagram,
                                uint32_t nowMs) const;

  /// The same by the tables of all other workers; what they do not know stays as it was decided. Costs a look-up per
  /// worker and length, so the caller bounds how often strangers may ask for it.
  void decideElsewhere(const RouteView& view, const FourTuple& tuple, std::span<const uint8_t> datagram, uint32_t nowMs,
                       Decision& decision) const;

  /// The proxy of the story that this project answers: consistent hash over the Connection ID, no memory.
  [[nodiscard]] Decision decideStateless(const RouteView& view, const FourTuple& tuple,
                                         std::span<const uint8_t> datagram, uint32_t nowMs) const;

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
  };
  using Cid = std::optional<std::span<const uint8_t>>;

  [[nodiscard]] bool decideByServerId(const Arrival& arrival, Decision& decision) const;
  [[nodiscard]] bool decideByScid(const Arrival& arrival, Decision& decision) const;
  [[nodiscard]] bool decideByDcid(const Arrival& arrival, Decision& decision) const;
  [[nodiscard]] bool decideByTuple(const Arrival& arrival, Decision& decision) const;
  void decideByFallback(const Arrival& arrival, Decision& decision) const;
  [[nodiscard]] std::optional<Owner> findOwner(const Arrival& arrival, const Digest128& tupleKey) const;

  [[nodiscard]] bool mayStay(const Arrival& arrival, std::span<const uint8_t> cid, uint16_t backendSlot,
                             uint32_t flow) const;
  void take(const Arrival& arrival, const CidHit& hit, Decision& decision) const;
  [[nodiscard]] std::optional<CidHit> findOwn(const Arrival& arrival, std::span<const uint8_t> cid) const;
  /// In the table of one other worker, or of all.
  [[nodiscard]] std::optional<CidHit> findForeign(const Arrival& arrival, std::span<const uint8_t> cid,
                                                  const FlowTable* only) const;
  /// A short header's Connection ID, of the longest of these lengths for which lookup(cid) knows one.
  template <typename Lookup>
  [[nodiscard]] static std::optional<CidHit> findOfLengths(const Arrival& arrival, uint32_t lengths, Lookup&& lookup);
  [[nodiscard]] std::optional<CidHit> findElsewhere(const Arrival& arrival, const FlowTable* only) const;
  [[nodiscard]] uint32_t lengthsFor(const RouteView& view) const;
  [[nodiscard]] static Cid expectedCid(const Arrival& arrival, const Flow* flow);
  [[nodiscard]] Cid statelessCid(const Arrival& arrival) const;

  FlowTable& own_;
  const CidLengths& lengths_;
};

}  // namespace quicproxy
