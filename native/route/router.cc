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

Router::Router(std::span<FlowTable* const> tables, uint32_t self, CidLengths& lengths)
    : own_(*tables[self]), lengths_(lengths) {
  for (uint32_t i = 0; i < tables.size(); i++) {
    if (i != self) others_.push_back(tables[i]);
  }
}

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
  for (const FlowTable* other : others_) {
    const auto value = other->byDcid().findForeign(key, nowMs, view.idleTimeoutMs);
    if (!value) continue;
    const FlowReference reference = FlowReference::unpack(*value);
    if (backendIsKnown(view, reference)) return CidHit{reference, cid, key, true};
  }
  return std::nullopt;
}

std::optional<Router::CidHit> Router::findShortHeaderCid(const RouteView& view, std::span<const uint8_t> datagram,
                                                         uint32_t nowMs) const {
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

bool Router::decideByServerId(const RouteView& view, const FourTuple& tuple, std::span<const uint8_t> cid,
                              uint32_t nowMs, Decision& decision) const {
  const auto [outcome, slot, cidLength] = view.quicLb.route(cid);
  decision.quicLb = outcome;
  if (outcome != QuicLbRouting::Outcome::kRouted) return false;
  decision.rule = Rule::kQuicLb;
  decision.cid = cid.first(cidLength);
  decision.backendSlot = slot;
  decision.flow = own_.findByPath(tuple, slot, nowMs);
  return true;
}

bool Router::decideByScid(const RouteView& view, const FourTuple& tuple, uint32_t nowMs, Decision& decision) const {
  const auto found = own_.byTupleScid().find(*decision.scidKey, nowMs, view.idleTimeoutMs);
  if (!found) return false;
  const FlowReference reference = FlowReference::unpack(found->value);
  if (!own_.isLive(reference) || !(own_.at(reference.flow).tuple == tuple)) return false;
  own_.byTupleScid().touch(found->handle, nowMs);
  decision.rule = Rule::kTupleScid;
  decision.backendSlot = reference.backendSlot;
  decision.flow = reference.flow;
  return true;
}

void Router::takeCidHit(const CidHit& hit, const FourTuple& tuple, uint32_t nowMs, Decision& decision) const {
  decision.rule = Rule::kDcid;
  decision.cid = hit.cid;
  decision.backendSlot = hit.reference.backendSlot;
  decision.foundElsewhere = hit.foreign;
  if (!hit.foreign && own_.isLive(hit.reference) && own_.at(hit.reference.flow).tuple == tuple) {
    decision.flow = hit.reference.flow;
    return;
  }
  decision.dcidKey = hit.key;
  decision.flow = own_.findByPath(tuple, hit.reference.backendSlot, nowMs);
  decision.readdressed = decision.flow == kNoFlow;
}

/// The Connection ID of a datagram that no table knows, as far as its length is known.
std::optional<std::span<const uint8_t>> Router::expectedCid(const RouteView& view, const Flow* flow,
                                                            std::span<const uint8_t> datagram) const {
  if (view.shortHeaderCidLength != kCidLengthLearned) return shortHeaderDcid(datagram, view.shortHeaderCidLength);
  if (flow == nullptr || flow->serverCidLength == 0) return std::nullopt;
  return shortHeaderDcid(datagram, flow->serverCidLength);
}

Decision Router::decide(const RouteView& view, const FourTuple& tuple, std::span<const uint8_t> datagram,
                        uint32_t nowMs) const {
  const Invariants packet = Invariants::parse(datagram);
  Decision decision;
  decision.form = packet.form;
  if (packet.form == HeaderForm::kLong || packet.form == HeaderForm::kShort) {
    const auto cid = packet.form == HeaderForm::kLong ? packet.dcid : datagram.subspan(1);
    if (decideByServerId(view, tuple, cid, nowMs, decision)) return decision;
  }
  std::optional<CidHit> hit;
  if (packet.form == HeaderForm::kLong) {
    decision.scidKey = own_.tupleScidKey(tuple, packet.scid);
    if (decideByScid(view, tuple, nowMs, decision)) return decision;
    hit = findCid(view, packet.dcid, nowMs);
  } else if (packet.form == HeaderForm::kShort) {
    hit = findShortHeaderCid(view, datagram, nowMs);
  }
  if (hit) {
    takeCidHit(*hit, tuple, nowMs, decision);
    return decision;
  }

  decision.flow = own_.findByTuple(own_.tupleKey(tuple), nowMs);
  const Flow* flow = decision.flow == kNoFlow ? nullptr : &own_.at(decision.flow);
  std::optional<std::span<const uint8_t>> cid;
  if (packet.form == HeaderForm::kLong) cid = packet.dcid;
  if (packet.form == HeaderForm::kShort) cid = expectedCid(view, flow, datagram);
  if (cid) decision.cid = *cid;
  if (!decision.cid.empty()) decision.dcidKey = own_.cidKey(decision.cid);
  if (flow != nullptr) {
    decision.rule = Rule::kTuple;
    decision.backendSlot = flow->backendSlot;
    return decision;
  }
  const bool byCid = view.fallback == Fallback::kConnectionId;
  takeFallback(view, fallbackHash(view, tuple, byCid ? cid : std::nullopt), decision);
  if (decision.rule == Rule::kFallback) decision.flow = own_.findByPath(tuple, decision.backendSlot, nowMs);
  return decision;
}

Decision Router::decideStateless(const RouteView& view, const FourTuple& tuple, std::span<const uint8_t> datagram,
                                 uint32_t nowMs) const {
  const Invariants packet = Invariants::parse(datagram);
  Decision decision;
  decision.form = packet.form;
  std::optional<std::span<const uint8_t>> cid;
  if (packet.form == HeaderForm::kLong) cid = packet.dcid;
  if (packet.form == HeaderForm::kShort) {
    cid = expectedCid(view, nullptr, datagram);
    for (const uint8_t length : lengths_.longestFirst()) {
      if (!cid) cid = shortHeaderDcid(datagram, length);
    }
  }
  takeFallback(view, fallbackHash(view, tuple, cid), decision);
  if (decision.rule == Rule::kFallback) decision.flow = own_.findByPath(tuple, decision.backendSlot, nowMs);
  return decision;
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

bool Router::insert(IndexTable& table, const Digest128& key, uint32_t flow, uint32_t nowMs, uint32_t idleMs,
                    Recorded& recorded) {
  const auto insertion = table.insert(key, own_.referenceTo(flow).pack(), nowMs, idleMs);
  const bool placed = insertion.outcome != IndexTable::Outcome::kFull;
  if (!placed) recorded.tableFull++;
  return placed;
}

Recorded Router::record(const RouteView& view, const Decision& decision, uint32_t index, uint32_t nowMs) {
  Recorded recorded;
  // A routable Connection ID needs no entry: it says itself where it belongs.
  if (decision.rule == Rule::kTupleScid || decision.rule == Rule::kQuicLb) return recorded;
  Flow& flow = own_.at(index);
  if (decision.rule == Rule::kDcid) {
    // The connection came here from another path or worker: its packets find this flow at the first look from now on.
    if (decision.dcidKey) insert(own_.byDcid(), *decision.dcidKey, index, nowMs, view.idleTimeoutMs, recorded);
    return recorded;
  }
  const bool trusted = decision.rule == Rule::kFallback || (flow.flags & kFlowAssured) != 0;
  if (decision.dcidKey && trusted && flow.claimedCids < kMaxClaimedCids) {
    flow.claimedCids++;
    const bool placed = insert(own_.byDcid(), *decision.dcidKey, index, nowMs, view.idleTimeoutMs, recorded);
    if (placed) recorded.cids++;
  }
  if (decision.scidKey && flow.claimedScids < kMaxClaimedCids) {
    flow.claimedScids++;
    insert(own_.byTupleScid(), *decision.scidKey, index, nowMs, view.idleTimeoutMs, recorded);
  }
  return recorded;
}

Recorded Router::learn(const RouteView& view, uint32_t index, std::span<const uint8_t> fromBackend, uint32_t nowMs) {
  Recorded recorded;
  Flow& flow = own_.at(index);
  own_.assure(index);
  const Invariants packet = Invariants::parse(fromBackend);
  // A Version Negotiation packet repeats the client's own choice (RFC 8999 section 6).
  if (packet.form != HeaderForm::kLong || packet.version == 0) return recorded;
  if (packet.scid.empty() || packet.scid.size() > CidLengths::kMaxLength) return recorded;
  flow.serverCidLength = static_cast<uint8_t>(packet.scid.size());
  sampleBy(view, packet.scid, flow);
  lengths_.add(flow.serverCidLength);
  const Digest128 key = own_.cidKey(packet.scid);
  const auto known = own_.byDcid().find(key, nowMs, view.idleTimeoutMs);
  if (!known) {
    if (insert(own_.byDcid(), key, index, nowMs, view.idleTimeoutMs, recorded)) recorded.cids++;
    return recorded;
  }
  const FlowReference reference = FlowReference::unpack(known->value);
  const bool sameBackend = reference.backendSlot == flow.backendSlot && reference.backendEpoch == flow.backendEpoch;
  if (sameBackend) {
    own_.byDcid().touch(known->handle, nowMs);
  } else if (backendIsKnown(view, reference)) {
    own_.byDcid().update(known->handle, kAmbiguous.pack(), nowMs);
  } else if (reference.pack() != kAmbiguous.pack()) {
    own_.byDcid().update(known->handle, own_.referenceTo(index).pack(), nowMs);
  }
  return recorded;
}

}  // namespace quicproxy
