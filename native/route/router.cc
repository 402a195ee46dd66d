#include "route/router.h"

namespace quicproxy {

namespace {

constexpr uint32_t kSureLengths = ~((uint32_t{1} << CidLengths::kSureLength) - 1);

uint64_t fallbackHash(const RouteView& view, const FourTuple& tuple, std::optional<std::span<const uint8_t>> cid) {
  if (cid && !cid->empty()) return connectionHash(view, *cid);
  return sipHash64(view.hashKey, {reinterpret_cast<const uint8_t*>(&tuple), sizeof tuple});
}

void takeFallback(const RouteView& view, uint64_t hash, Decision& decision) {
  if (view.maglev.empty()) return;
  decision.rule = Rule::kFallback;
  decision.backendSlot = view.maglev.lookup(hash);
}

bool takesNew(const RouteView& view, uint16_t backendSlot) {
  return backendSlot < view.takesNew.size() && view.takesNew[backendSlot] != 0;
}

}  // namespace

uint64_t connectionHash(const RouteView& view, std::span<const uint8_t> cid) { return sipHash64(view.hashKey, cid); }

Decision Router::decide(const RouteView& view, const FourTuple& tuple, std::span<const uint8_t> datagram,
                        uint32_t nowMs) const {
  const Arrival arrival{view, tuple, datagram, Invariants::parse(datagram), nowMs};
  Decision decision;
  decision.form = arrival.packet.form;
  decision.version = arrival.packet.version;
  decision.dcid = arrival.packet.dcid;
  decision.scid = arrival.packet.scid;
  const bool decided = decideByServerId(arrival, decision) || decideByScid(arrival, decision) ||
                       decideByDcid(arrival, decision) || decideByTuple(arrival, decision);
  if (!decided) decideByFallback(arrival, decision);
  return decision;
}

/// Whether a datagram may go on to a backend by what a table knows of its 4-tuple.
bool Router::mayStay(const Arrival& arrival, std::span<const uint8_t> cid, uint16_t backendSlot, uint32_t flow) const {
  const bool mayBegin = arrival.packet.form == HeaderForm::kLong && arrival.packet.version != 0;
  if (!mayBegin || takesNew(arrival.view, backendSlot)) return true;
  // A first flight that is repeated has the first DCID again.
  const auto hash = static_cast<uint32_t>(connectionHash(arrival.view, cid) >> 32);
  return flow != kNoFlow && own_.historyOf(flow).connection == hash;
}

bool Router::decideByServerId(const Arrival& arrival, Decision& decision) const {
  const HeaderForm form = arrival.packet.form;
  if (form != HeaderForm::kLong && form != HeaderForm::kShort) return false;
  const auto cid = form == HeaderForm::kLong ? arrival.packet.dcid : arrival.datagram.subspan(1);
  const auto [outcome, slot, cidLength, encrypted] = arrival.view.quicLb.route(cid);
  decision.quicLb = outcome;
  if (outcome != QuicLbRouting::Outcome::kRouted) return false;
  const uint32_t flow = own_.findByPath(arrival.tuple, slot);
  // A client's random DCID names a backend by chance; that one may take no new connection.
  if (!mayStay(arrival, cid.first(cidLength), slot, flow) && !findOwn(arrival, cid)) return false;
  decision.rule = Rule::kQuicLb;
  decision.cid = cid.first(cidLength);
  decision.backendSlot = slot;
  decision.flow = flow;
  decision.readdressed = flow == kNoFlow && form == HeaderForm::kShort;
  // The backend is certain; whether another worker has the path is not.
  decision.askElsewhere = flow == kNoFlow && arrival.view.tables.size() > 1;
  decision.known = encrypted && form == HeaderForm::kShort;
  return true;
}

bool Router::decideByScid(const Arrival& arrival, Decision& decision) const {
  if (arrival.packet.form != HeaderForm::kLong) return false;
  const Digest128 key = own_.tupleScidKey(arrival.tuple, arrival.packet.scid);
  decision.scidKey = key;
  const auto found = own_.byTupleScid().find(key, arrival.nowMs, arrival.view.idleTimeoutMs);
  if (!found) return false;
  const FlowReference reference = FlowReference::unpack(found->value);
  if (!own_.isLive(reference) || !(own_.at(reference.flow).tuple == arrival.tuple)) return false;
  // Without an ID of his own a client's next connection looks like this one.
  if (arrival.packet.scid.empty() && !mayStay(arrival, arrival.packet.dcid, reference.backendSlot, reference.flow))
    return false;
  own_.byTupleScid().touch(found->handle, arrival.nowMs);
  decision.rule = Rule::kTupleScid;
  decision.backendSlot = reference.backendSlot;
  decision.flow = reference.flow;
  return true;
}

std::optional<Router::CidHit> Router::findOwn(const Arrival& arrival, std::span<const uint8_t> cid) const {
  if (cid.empty()) return std::nullopt;
  const Digest128 key = own_.cidKey(cid);
  const auto found = own_.byDcid().find(key, arrival.nowMs, arrival.view.idleTimeoutMs);
  if (!found) return std::nullopt;
  const FlowReference reference = FlowReference::unpack(found->value);
  if (!arrival.view.knows(reference)) return std::nullopt;
  own_.byDcid().touch(found->handle, arrival.nowMs);
  return CidHit{reference, cid, key};
}

std::optional<Router::CidHit> Router::findForeign(const Arrival& arrival, std::span<const uint8_t> cid,
                                                  const FlowTable* only) const {
  if (cid.empty()) return std::nullopt;
  const Digest128 key = own_.cidKey(cid);
  // Each table is two cache misses: all on the way at once cost little more than one.
  for (const FlowTable* other : arrival.view.tables) other->byDcid().prefetch(key);
  for (const FlowTable* other : arrival.view.tables) {
    if (other == &own_ || (only != nullptr && other != only)) continue;
    const auto value = other->byDcid().findForeign(key, arrival.nowMs, arrival.view.idleTimeoutMs);
    if (!value) continue;
    const FlowReference reference = FlowReference::unpack(*value);
    if (arrival.view.knows(reference)) return CidHit{reference, cid, key};
  }
  return std::nullopt;
}

template <typename Lookup>
std::optional<Router::CidHit> Router::findOfLengths(const Arrival& arrival, uint32_t lengths, Lookup&& lookup) {
  for (const uint8_t length : CidLengths::LongestFirst(lengths)) {
    const auto cid = shortHeaderDcid(arrival.datagram, length);
    if (!cid) continue;
    if (auto hit = lookup(*cid)) return hit;
  }
  return std::nullopt;
}

uint32_t Router::lengthsFor(const RouteView& view) const {
  return view.shortHeaderCidLength == kCidLengthLearned ? lengths_.mask() : uint32_t{1} << view.shortHeaderCidLength;
}

bool Router::decideByDcid(const Arrival& arrival, Decision& decision) const {
  const auto lookup = [this, &arrival](std::span<const uint8_t> cid) { return findOwn(arrival, cid); };
  std::optional<CidHit> hit;
  if (arrival.packet.form == HeaderForm::kLong) hit = lookup(arrival.packet.dcid);
  if (arrival.packet.form == HeaderForm::kShort) {
    const bool learned = arrival.view.shortHeaderCidLength == kCidLengthLearned;
    const uint32_t lengths = lengthsFor(arrival.view);
    hit = findOfLengths(arrival, learned ? lengths & kSureLengths : lengths, lookup);
    // Short IDs are found by chance: on a tuple that has flows only those lengths are tried that belong there.
    const uint32_t unsure = learned ? lengths & ~kSureLengths : 0;
    if (!hit && unsure != 0) {
      decision.tupleKey = own_.tupleKey(arrival.tuple);
      const uint32_t first = own_.findByTuple(*decision.tupleKey);
      hit = findOfLengths(arrival, first == kNoFlow ? unsure : unsure & own_.at(first).cidLengths, lookup);
    }
  }
  if (!hit) return false;
  take(arrival, *hit, decision);
  return true;
}

/// A known Connection ID: its backend, by the flow of this tuple to it.
void Router::take(const Arrival& arrival, const CidHit& hit, Decision& decision) const {
  decision.rule = Rule::kDcid;
  decision.known = true;
  decision.cid = hit.cid;
  decision.backendSlot = hit.reference.backendSlot;
  if (!decision.foundElsewhere && own_.isLive(hit.reference) && own_.at(hit.reference.flow).tuple == arrival.tuple) {
    decision.flow = hit.reference.flow;
    decision.shown = !hit.reference.claimed;
    return;
  }
  decision.dcidKey = hit.key;
  decision.flow = own_.findByPath(arrival.tuple, hit.reference.backendSlot);
  decision.readdressed = decision.flow == kNoFlow;
  if (!decision.foundElsewhere && own_.isLive(hit.reference)) decision.cidFlow = hit.reference.flow;
}

bool Router::decideByTuple(const Arrival& arrival, Decision& decision) const {
  if (!decision.tupleKey) decision.tupleKey = own_.tupleKey(arrival.tuple);
  const uint32_t first = own_.findByTuple(*decision.tupleKey);
  const Flow* flow = first == kNoFlow ? nullptr : &own_.at(first);
  if (const Cid cid = expectedCid(arrival, flow)) decision.cid = *cid;
  if (!decision.cid.empty()) decision.dcidKey = own_.cidKey(decision.cid);
  if (flow == nullptr) {
    decision.askElsewhere = arrival.view.tables.size() > 1;
    return false;
  }
  if (!mayStay(arrival, arrival.packet.dcid, flow->backendSlot, first)) return false;
  decision.rule = Rule::kTuple;
  decision.backendSlot = flow->backendSlot;
  decision.flow = first;
  // A connection that another worker knows may come by this tuple: its client uses one socket for several, or a NAT has
  // given it the port of another client.
  const bool mayBeAnother = arrival.packet.form == HeaderForm::kShort && !flow->is(kFlowNoQuic) && !lengths_.empty();
  decision.askElsewhere = mayBeAnother && arrival.view.tables.size() > 1;
  return true;
}

void Router::decideByFallback(const Arrival& arrival, Decision& decision) const {
  const bool byCid = arrival.view.fallback == Fallback::kConnectionId && !decision.cid.empty();
  takeFallback(arrival.view, fallbackHash(arrival.view, arrival.tuple, byCid ? Cid(decision.cid) : std::nullopt),
               decision);
  if (decision.rule != Rule::kFallback) return;
  decision.flow = own_.findByPath(arrival.tuple, decision.backendSlot);
}

/// Whoever has flows of the tuple: the kernel handed the path to this worker when the number of workers changed.
std::optional<Owner> Router::findOwner(const Arrival& arrival, const Digest128& tupleKey) const {
  const std::span<const FlowTable* const> tables = arrival.view.tables;
  for (const FlowTable* other : tables) other->prefetchByTuple(tupleKey);
  for (size_t worker = 0; worker < tables.size(); worker++) {
    if (tables[worker] == &own_) continue;
    const auto reference = tables[worker]->findForeignByTuple(tupleKey, arrival.nowMs);
    if (!reference || !arrival.view.knows(*reference)) continue;
    if (const auto way = tables[worker]->wayOf(*reference))
      return Owner{static_cast<uint8_t>(worker), *reference, *way};
  }
  return std::nullopt;
}

std::optional<Router::CidHit> Router::findElsewhere(const Arrival& arrival, const FlowTable* only) const {
  const auto lookup = [&](std::span<const uint8_t> cid) { return findForeign(arrival, cid, only); };
  if (arrival.packet.form == HeaderForm::kLong) return lookup(arrival.packet.dcid);
  if (arrival.packet.form != HeaderForm::kShort) return std::nullopt;
  return findOfLengths(arrival, lengthsFor(arrival.view), lookup);
}

void Router::decideElsewhere(const RouteView& view, const FourTuple& tuple, std::span<const uint8_t> datagram,
                             uint32_t nowMs, Decision& decision) const {
  const Arrival arrival{view, tuple, datagram, Invariants::parse(datagram), nowMs};
  // A tuple that has a flow here borrows none.
  const auto owner = decision.rule == Rule::kTuple ? std::nullopt : findOwner(arrival, own_.tupleKey(tuple));
  if (decision.rule == Rule::kQuicLb) {
    if (!owner || owner->reference.backendSlot != decision.backendSlot) return;
    decision.owner = owner;
    decision.known = decision.foundElsewhere = true;
    decision.readdressed = false;
    return;
  }
  // The owner's first: it has most of what comes by its flow.
  auto hit = owner ? findElsewhere(arrival, view.tables[owner->worker]) : std::nullopt;
  if (!hit) hit = findElsewhere(arrival, nullptr);
  if (hit) {
    decision.foundElsewhere = true;
    take(arrival, *hit, decision);
  }
  if (!owner) return;
  if (!hit) {
    if (!mayStay(arrival, arrival.packet.dcid, owner->reference.backendSlot, kNoFlow)) return;
    decision.foundElsewhere = true;
    decision.rule = Rule::kTuple;
    decision.known = true;
    decision.backendSlot = owner->reference.backendSlot;
    decision.flow = kNoFlow;
  }
  decision.readdressed = false;
  if (owner->reference.backendSlot != decision.backendSlot) return;
  decision.owner = owner;
  decision.provesOwner = hit && hit->reference.flow == owner->reference.flow && !hit->reference.claimed;
}

/// The Connection ID of a datagram that no table knows, as far as its length is known.
Router::Cid Router::expectedCid(const Arrival& arrival, const Flow* flow) {
  const auto& [view, tuple, datagram, packet, nowMs] = arrival;
  if (packet.form == HeaderForm::kLong) return packet.dcid;
  if (packet.form != HeaderForm::kShort) return std::nullopt;
  if (view.shortHeaderCidLength != kCidLengthLearned) return shortHeaderDcid(datagram, view.shortHeaderCidLength);
  if (flow == nullptr || flow->serverCidLength == 0) return std::nullopt;
  return shortHeaderDcid(datagram, flow->serverCidLength);
}

Decision Router::decideStateless(const RouteView& view, const FourTuple& tuple, std::span<const uint8_t> datagram,
                                 uint32_t nowMs) const {
  const Arrival arrival{view, tuple, datagram, Invariants::parse(datagram), nowMs};
  Decision decision;
  decision.form = arrival.packet.form;
  decision.version = arrival.packet.version;
  decision.dcid = arrival.packet.dcid;
  const Cid cid = statelessCid(arrival);
  takeFallback(view, fallbackHash(view, tuple, cid), decision);
  if (decision.rule == Rule::kFallback) decision.flow = own_.findByPath(tuple, decision.backendSlot);
  return decision;
}

Router::Cid Router::statelessCid(const Arrival& arrival) const {
  Cid cid = expectedCid(arrival, nullptr);
  if (arrival.packet.form != HeaderForm::kShort) return cid;
  for (const uint8_t length : lengths_.longestFirst()) {
    if (!cid) cid = shortHeaderDcid(arrival.datagram, length);
  }
  return cid;
}

}  // namespace quicproxy
