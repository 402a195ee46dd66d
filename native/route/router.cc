#include "route/router.h"

#include <algorithm>

namespace quicproxy {

namespace {

/// Two backends chose the same Connection ID: possible with short ones (4 octets repeat after some 10,000 connections).
/// Neither may be routed by it, their 4-tuples still tell them apart.
constexpr FlowReference kAmbiguous{kNoFlow, kNoBackend, 0, 0};

bool backendIsKnown(const RouteView& view, const FlowReference& reference) {
  return reference.backendSlot < view.backendEpochs.size() && reference.backendEpoch != 0 &&
         view.backendEpochs[reference.backendSlot] == reference.backendEpoch;
}

uint64_t fallbackHash(const RouteView& view, const FourTuple& tuple, std::optional<std::span<const uint8_t>> cid) {
  if (cid && !cid->empty()) return sipHash64(view.hashKey, *cid);
  return sipHash64(view.hashKey, {reinterpret_cast<const uint8_t*>(&tuple), sizeof tuple});
}

void takeFallback(const RouteView& view, uint64_t hash, Decision& decision) {
  if (view.maglev.empty()) return;
  decision.rule = Rule::kFallback;
  decision.backendSlot = view.maglev.lookup(hash);
}

}  // namespace

std::optional<Router::CidHit> Router::findCid(const RouteView& view, std::span<const uint8_t> cid,
                                              uint32_t nowMs) const {
  if (cid.empty()) return std::nullopt;
  const Digest128 key = own_.cidKey(cid);
  if (const auto found = own_.byDcid().find(key, nowMs, view.idleTimeoutMs)) {
    const FlowReference reference = FlowReference::unpack(found->value);
    if (backendIsKnown(view, reference)) {
      own_.byDcid().touch(found->handle, nowMs);
      return CidHit{reference, cid, key, false};
    }
  }
  // Each table is two cache misses: all on the way at once cost little more than one.
  for (const FlowTable* other : view.tables) other->byDcid().prefetch(key);
  for (const FlowTable* other : view.tables) {
    if (other == &own_) continue;
    const auto value = other->byDcid().findForeign(key, nowMs, view.idleTimeoutMs);
    if (!value) continue;
    const FlowReference reference = FlowReference::unpack(*value);
    if (backendIsKnown(view, reference)) return CidHit{reference, cid, key, true};
  }
  return std::nullopt;
}

std::optional<Router::CidHit> Router::findShortHeaderCid(const Arrival& arrival) const {
  const auto& [view, tuple, datagram, packet, nowMs] = arrival;
  if (view.shortHeaderCidLength != kCidLengthLearned) {
    const auto cid = shortHeaderDcid(datagram, view.shortHeaderCidLength);
    return cid ? findCid(view, *cid, nowMs) : std::nullopt;
  }
  for (const uint8_t length : lengths_.longestFirst()) {
    const auto cid = shortHeaderDcid(datagram, length);
    if (!cid) continue;
    if (auto hit = findCid(view, *cid, nowMs)) return hit;
  }
  return std::nullopt;
}

Decision Router::decide(const RouteView& view, const FourTuple& tuple, std::span<const uint8_t> datagram,
                        uint32_t nowMs) const {
  const Arrival arrival{view, tuple, datagram, Invariants::parse(datagram), nowMs};
  Decision decision;
  decision.form = arrival.packet.form;
  const bool decided = decideByServerId(arrival, decision) || decideByScid(arrival, decision) ||
                       decideByDcid(arrival, decision) || decideByTuple(arrival, decision);
  if (decided) return decision;
  const bool byCid = view.fallback == Fallback::kConnectionId && !decision.cid.empty();
  decideByFallback(arrival, byCid ? Cid(decision.cid) : std::nullopt, decision);
  return decision;
}

bool Router::decideByServerId(const Arrival& arrival, Decision& decision) const {
  const HeaderForm form = arrival.packet.form;
  if (form != HeaderForm::kLong && form != HeaderForm::kShort) return false;
  const auto cid = form == HeaderForm::kLong ? arrival.packet.dcid : arrival.datagram.subspan(1);
  const auto [outcome, slot, cidLength] = arrival.view.quicLb.route(cid);
  decision.quicLb = outcome;
  if (outcome != QuicLbRouting::Outcome::kRouted) return false;
  decision.rule = Rule::kQuicLb;
  decision.cid = cid.first(cidLength);
  decision.backendSlot = slot;
  decision.flow = own_.findByPath(arrival.tuple, slot, arrival.nowMs);
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
  own_.byTupleScid().touch(found->handle, arrival.nowMs);
  decision.rule = Rule::kTupleScid;
  decision.backendSlot = reference.backendSlot;
  decision.flow = reference.flow;
  return true;
}

bool Router::decideByDcid(const Arrival& arrival, Decision& decision) const {
  std::optional<CidHit> hit;
  if (arrival.packet.form == HeaderForm::kLong) hit = findCid(arrival.view, arrival.packet.dcid, arrival.nowMs);
  if (arrival.packet.form == HeaderForm::kShort) hit = findShortHeaderCid(arrival);
  if (!hit) return false;
  decision.rule = Rule::kDcid;
  decision.cid = hit->cid;
  decision.backendSlot = hit->reference.backendSlot;
  decision.foundElsewhere = hit->foreign;
  if (!hit->foreign && own_.isLive(hit->reference) && own_.at(hit->reference.flow).tuple == arrival.tuple) {
    decision.flow = hit->reference.flow;
    return true;
  }
  decision.dcidKey = hit->key;
  decision.flow = own_.findByPath(arrival.tuple, hit->reference.backendSlot, arrival.nowMs);
  decision.readdressed = decision.flow == kNoFlow;
  return true;
}

bool Router::decideByTuple(const Arrival& arrival, Decision& decision) const {
  const Digest128 key = own_.tupleKey(arrival.tuple);
  decision.flow = own_.findByTuple(key, arrival.nowMs);
  const Flow* flow = decision.flow == kNoFlow ? nullptr : &own_.at(decision.flow);
  if (const Cid cid = expectedCid(arrival, flow)) decision.cid = *cid;
  if (!decision.cid.empty()) decision.dcidKey = own_.cidKey(decision.cid);
  if (flow == nullptr) return decideByForeignTuple(arrival, key, decision);
  decision.rule = Rule::kTuple;
  decision.backendSlot = flow->backendSlot;
  return true;
}

/// The kernel hands a path to another worker when the number of workers changes: its backend stays.
bool Router::decideByForeignTuple(const Arrival& arrival, const Digest128& key, Decision& decision) const {
  for (const FlowTable* other : arrival.view.tables) other->prefetchByTuple(key);
  for (const FlowTable* other : arrival.view.tables) {
    if (other == &own_) continue;
    const auto reference = other->findForeignByTuple(key, arrival.nowMs);
    if (!reference || !backendIsKnown(arrival.view, *reference)) continue;
    decision.rule = Rule::kTuple;
    decision.backendSlot = reference->backendSlot;
    decision.foundElsewhere = true;
    return true;
  }
  return false;
}

void Router::decideByFallback(const Arrival& arrival, Cid cid, Decision& decision) const {
  takeFallback(arrival.view, fallbackHash(arrival.view, arrival.tuple, cid), decision);
  if (decision.rule != Rule::kFallback) return;
  decision.flow = own_.findByPath(arrival.tuple, decision.backendSlot, arrival.nowMs);
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
  decideByFallback(arrival, statelessCid(arrival), decision);
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

/// One in N of all Connection IDs, by a hash that all proxies of one QuicProxy share: each of them picks the same.
void Router::sampleBy(const RouteView& view, std::span<const uint8_t> cid, Flow& flow) {
  if (view.sampleOneIn == 0 || cid.empty()) return;
  const uint64_t hash = sipHash64(view.hashKey, cid);
  flow.connection = static_cast<uint32_t>(hash >> 32);
  const bool sampled = static_cast<uint32_t>(hash) % view.sampleOneIn == 0;
  flow.flags = static_cast<uint8_t>(sampled ? flow.flags | kFlowSampled : flow.flags & ~kFlowSampled);
}

void Router::sampleNew(const RouteView& view, const Decision& decision, uint32_t flow) const {
  sampleBy(view, decision.cid, own_.at(flow));
}

bool Router::insert(IndexTable& table, const Digest128& key, uint32_t flow, Age age) {
  const auto insertion = table.insert(key, own_.referenceTo(flow).pack(), age.nowMs, age.idleMs);
  return insertion.outcome != IndexTable::Outcome::kFull;
}

Recorded Router::record(const RouteView& view, const Decision& decision, uint32_t index, uint32_t nowMs) {
  const Age age{nowMs, view.idleTimeoutMs};
  switch (decision.rule) {
    case Rule::kDcid: {
      // It came here from another path or worker: its packets find this flow at the first look from now on.
      if (!decision.dcidKey) return {};
      const bool placed = insert(own_.byDcid(), *decision.dcidKey, index, age);
      return {.cids = 0, .tableFull = placed ? 0U : 1U, .vouched = {}};
    }
    case Rule::kTuple:
    case Rule::kFallback:
      return claim(decision, index, age);
    case Rule::kQuicLb:  // says itself where it belongs
    case Rule::kTupleScid:
    case Rule::kNone:
      break;
  }
  return {};
}

/// Connection IDs that a client named by using them: few per flow, and none more until the backend has answered.
Recorded Router::claim(const Decision& decision, uint32_t index, Age age) {
  Recorded recorded;
  Flow& flow = own_.at(index);
  const bool trusted = decision.rule == Rule::kFallback || (flow.flags & kFlowAssured) != 0;
  if (decision.dcidKey && trusted && flow.claimedCids < kMaxClaimedCids) {
    flow.claimedCids++;
    const bool placed = insert(own_.byDcid(), *decision.dcidKey, index, age);
    (placed ? recorded.cids : recorded.tableFull)++;
    if (placed && (flow.flags & kFlowAssured) != 0) recorded.vouched = decision.cid;
  }
  if (decision.scidKey && flow.claimedScids < kMaxClaimedCids) {
    flow.claimedScids++;
    if (!insert(own_.byTupleScid(), *decision.scidKey, index, age)) recorded.tableFull++;
  }
  return recorded;
}

Recorded Router::learn(const RouteView& view, uint32_t index, std::span<const uint8_t> fromBackend, uint32_t nowMs) {
  own_.assure(index);
  const Invariants packet = Invariants::parse(fromBackend);
  // A Version Negotiation packet repeats the client's own choice (RFC 8999 section 6).
  if (packet.form != HeaderForm::kLong || packet.version == 0) return {};
  if (packet.scid.empty() || packet.scid.size() > CidLengths::kMaxLength) return {};
  Flow& flow = own_.at(index);
  flow.serverCidLength = static_cast<uint8_t>(packet.scid.size());
  lengths_.add(flow.serverCidLength);
  sampleBy(view, packet.scid, flow);
  Recorded recorded = vouch(view, index, own_.cidKey(packet.scid), nowMs);
  if (recorded.cids != 0) recorded.vouched = packet.scid;
  return recorded;
}

/// A Connection ID that the backend of a flow chose for it.
Recorded Router::vouch(const RouteView& view, uint32_t index, const Digest128& key, uint32_t nowMs) {
  IndexTable& table = own_.byDcid();
  const auto known = table.find(key, nowMs, view.idleTimeoutMs);
  if (!known) {
    const bool placed = insert(table, key, index, {nowMs, view.idleTimeoutMs});
    return {.cids = placed ? 1U : 0U, .tableFull = placed ? 0U : 1U, .vouched = {}};
  }
  const Flow& flow = own_.at(index);
  const FlowReference reference = FlowReference::unpack(known->value);
  if (reference.backendSlot == flow.backendSlot && reference.backendEpoch == flow.backendEpoch) {
    table.touch(known->handle, nowMs);
  } else if (backendIsKnown(view, reference)) {
    table.update(known->handle, kAmbiguous.pack(), nowMs);
  } else if (reference.pack() != kAmbiguous.pack()) {
    table.update(known->handle, own_.referenceTo(index).pack(), nowMs);
  }
  return {};
}

}  // namespace quicproxy
