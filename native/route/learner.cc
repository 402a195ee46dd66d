#include "route/learner.h"

namespace quicproxy {

namespace {

/// Two backends chose the same Connection ID: possible with short ones (4 octets repeat after some 80,000 connections).
/// Neither may be routed by it, their 4-tuples still tell them apart.
constexpr FlowReference kAmbiguous{FlowReference::kFlowMask, kNoBackend, 0, 0};

/// A client changes its version for Version Negotiation (RFC 9000 section 6) and by compatible negotiation (RFC 9368).
constexpr uint8_t kMaxVersionChanges = 3;

/// QUIC v1 (RFC 9000), v2 (RFC 9369) and the drafts of v1. That both sides show one of these is no coincidence.
bool isRegistered(uint32_t version) { return version == 1 || version == 0x6b3343cf || version >> 8 == 0xff0000; }

uint64_t wordOf(const Digest128& key) { return IndexKey(key).word; }

}  // namespace

void Learner::begin(const RouteView& view, const Decision& decision, uint32_t index) const {
  sampleBy(view, decision.cid, own_.at(index), own_.historyOf(index));
}

/// One in N of all Connection IDs, by a hash that all proxies of one QuicProxy share: each of them picks the same.
void Learner::sampleBy(const RouteView& view, std::span<const uint8_t> cid, Flow& flow, FlowHistory& history) {
  if (cid.empty()) return;
  const uint64_t hash = connectionHash(view, cid);
  history.connection = static_cast<uint32_t>(hash >> 32);
  const bool sampled = view.sampleOneIn != 0 && static_cast<uint32_t>(hash) % view.sampleOneIn == 0;
  if (sampled) {
    flow.set(kFlowSampled);
  } else {
    flow.clear(kFlowSampled);
  }
}

Lesson Learner::fromClient(const RouteView& view, const Decision& decision, uint32_t index,
                           std::span<const uint8_t> datagram, uint32_t nowMs) {
  const Age age{nowMs, view.idleTimeoutMs};
  Lesson lesson;
  Flow& flow = own_.at(index);
  const bool isLong = decision.form == HeaderForm::kLong;
  if (isLong && !flow.is(kFlowBorrowed)) noteVersion(index, decision.version);
  if (!flow.is(kFlowConfirmed) || flow.is(kFlowMoved)) prove({view, decision, datagram, age}, index, lesson);
  if (decision.rule == Rule::kDcid) follow(decision, index, age, lesson);
  if (decision.rule == Rule::kTuple && !isLong && decision.dcidKey) {
    claim(view, {*decision.dcidKey, decision.cid}, index, age, lesson);
  }
  if (decision.rule == Rule::kTupleScid) claimOfLong(view, index, decision.dcid, age, lesson);
  if (isLong && decision.rule != Rule::kTupleScid) keepScid(decision, index, age, lesson);
  if (flow.is(kFlowUntold) && decision.rule == Rule::kDcid) {
    lesson.forSteering = decision.cid;
    flow.clear(kFlowUntold);
  }
  return lesson;
}

void Learner::prove(const Sent& sent, uint32_t index, Lesson& lesson) {
  Flow& flow = own_.at(index);
  const uint32_t nowMs = sent.age.nowMs;
  const bool wasMoved = flow.is(kFlowMoved);
  const Progress progress = path_proof::clientSent(flow, own_.historyOf(index), sent.datagram.size(), nowMs);
  lesson.pathSettled = wasMoved && !flow.is(kFlowMoved);
  if (progress == Progress::kRound) own_.makeYoungest(index);
  if (flow.is(kFlowConfirmed)) return;
  const auto used = progress == Progress::kProven ? std::nullopt : backendsIdIn(sent, index);
  if (progress != Progress::kProven && !used) return;
  if (used) lesson.forSteering = *used;
  if (flow.is(kFlowIdPending) && sent.decision.form == HeaderForm::kLong) {
    vouch(sent.view, index, sent.decision.dcid, sent.age, lesson);
  }
  own_.confirm(index, nowMs);
  lesson.confirmed = true;
}

/// The destination Connection ID, where it is one that the backend showed on this flow.
std::optional<std::span<const uint8_t>> Learner::backendsIdIn(const Sent& sent, uint32_t index) const {
  const Flow& flow = own_.at(index);
  const uint64_t vouched = own_.historyOf(index).vouched;
  if (vouched == 0) return std::nullopt;
  // A client's socket may carry several connections: any of their IDs will do.
  if (sent.decision.shown) return sent.decision.cid;
  std::optional<std::span<const uint8_t>> cid;
  if (sent.decision.form == HeaderForm::kLong) cid = sent.decision.dcid;
  if (sent.decision.form == HeaderForm::kShort && flow.serverCidLength != 0) {
    cid = shortHeaderDcid(sent.datagram, flow.serverCidLength);
  }
  return cid && wordOf(own_.cidKey(*cid)) == vouched ? cid : std::nullopt;
}

void Learner::noteVersion(uint32_t index, uint32_t version) {
  Flow& flow = own_.at(index);
  FlowHistory& history = own_.historyOf(index);
  if (version == 0 || version == history.clientVersion) return;
  // A client that has spoken a known version speaks QUIC, whatever else comes by its path.
  if (isRegistered(history.clientVersion) && !isRegistered(version)) return;
  // Anybody may write the address of a client; where a backend has shown IDs there is QUIC.
  const bool isChange = history.clientVersion != 0 && !flow.is(kFlowConfirmed) && flow.cidLengths == 0;
  if (isChange && ++history.versions > kMaxVersionChanges) {
    flow.set(kFlowNoQuic);
    if (flow.is(kFlowIdPending)) history.vouched = 0;
    flow.clear(kFlowIdPending);
  }
  history.clientVersion = version;
}

/// The client's own ID, by which its datagrams are told from those of its other connections and its backend's answers
/// are known to be QUIC. The latest one of a flow stays.
void Learner::keepScid(const Decision& decision, uint32_t index, Age age, Lesson& lesson) {
  const Flow& flow = own_.at(index);
  if (flow.is(kFlowNoQuic)) return;
  IndexTable& table = own_.byTupleScid();
  const Digest128 key = decision.scidKey ? *decision.scidKey : own_.tupleScidKey(flow.tuple, decision.scid);
  const uint64_t value = own_.referenceTo(index).pack();
  if (const auto known = table.find(key, age.nowMs, age.idleMs); known && known->value == value) {
    table.touch(known->handle, age.nowMs);
    return;
  }
  uint32_t& place = own_.historyOf(index).scid;
  const auto former = table.valueAt({place});
  if (former && FlowReference::unpack(*former).flow == index) table.erase(IndexTable::Handle{place});
  const auto insertion = table.insert(key, value, age.nowMs, age.idleMs);
  place = insertion.outcome == IndexTable::Outcome::kFull ? FlowHistory::kNoPlace : insertion.handle.place;
  if (place == FlowHistory::kNoPlace) lesson.tableFull++;
}

/// A known ID came here from another path or worker: its datagrams find this flow at the first look from now on, once
/// this path is more than somebody's claim.
void Learner::follow(const Decision& decision, uint32_t index, Age age, Lesson& lesson) {
  if (!decision.dcidKey) return;
  IndexTable& table = own_.byDcid();
  FlowReference reference = own_.referenceTo(index);
  if (const auto known = table.find(*decision.dcidKey, age.nowMs, age.idleMs)) {
    if (own_.at(index).is(kFlowMoved)) return;
    reference.claimed = FlowReference::unpack(known->value).claimed;
    table.update(known->handle, reference.pack(), age.nowMs);
    return;
  }
  // Not among those that the flow remembers: a backend has shown it elsewhere, and a socket may carry many connections.
  reference.claimed = true;
  if (!insert(*decision.dcidKey, reference, age)) {
    lesson.tableFull++;
  } else if (decision.foundElsewhere) {
    // The kernel did not know it, or it would have gone to the worker that has it.
    lesson.forSteering = decision.cid;
  }
}

/// The ID by which a client answers its server's first flight: quic-go's clients take a further one at once.
void Learner::claimOfLong(const RouteView& view, uint32_t index, std::span<const uint8_t> dcid, Age age,
                          Lesson& lesson) {
  const Flow& flow = own_.at(index);
  const FlowHistory& history = own_.historyOf(index);
  if (history.vouched == 0 || dcid.size() != flow.serverCidLength) return;
  const Digest128 key = own_.cidKey(dcid);
  if (wordOf(key) == history.vouched || own_.byDcid().find(key, age.nowMs, age.idleMs)) return;
  claim(view, {key, dcid}, index, age, lesson);
}

/// A further ID of its backend: the client of a known flow uses it.
void Learner::claim(const RouteView& view, const UsedCid& used, uint32_t index, Age age, Lesson& lesson) {
  const Flow& flow = own_.at(index);
  if (flow.is(kFlowNoQuic) || flow.is(kFlowMoved) || !flow.is(kFlowAnswered)) return;
  // A flow that moved here or is borrowed began with an ID that a backend had shown elsewhere; a configured length is
  // known without.
  const bool lengthIsKnown = flow.cidLengths != 0 || view.shortHeaderCidLength != kCidLengthLearned;
  const bool isShown = own_.historyOf(index).vouched != 0;
  const bool known = isShown ? !flow.is(kFlowIdPending) : lengthIsKnown;
  if (!flow.is(kFlowConfirmed) && !known) return;
  FlowReference reference = own_.referenceTo(index);
  reference.claimed = true;
  const auto place = insert(used.key, reference, age);
  if (!place) {
    lesson.tableFull++;
    return;
  }
  remember(index, *place);
  lesson.claimed++;
  if (!flow.is(kFlowConfirmed)) return;
  // One call of the kernel in 16 ms: a client may use another ID in each datagram. What is left out is found by the
  // hash, and in the other workers' tables.
  FlowHistory& history = own_.historyOf(index);
  if (history.roundAt == path_proof::ticks(age.nowMs)) return;
  history.roundAt = path_proof::ticks(age.nowMs);
  lesson.forSteering = used.cid;
}

/// Who has to go when the table of Connection IDs has no room: what leads nowhere, then what clients claimed, those
/// first that may be anybody, then what flows showed that anybody may have begun. What a confirmed connection showed
/// stays.
int Learner::rankOf(const FlowReference& present) const {
  if (!own_.isLive(present)) return 4;
  return (present.claimed ? 2 : 0) + (own_.at(present.flow).is(kFlowConfirmed) ? 0 : 1);
}

std::optional<uint32_t> Learner::insert(const Digest128& key, const FlowReference& reference, Age age) {
  IndexTable& table = own_.byDcid();
  auto insertion = table.insert(key, reference.pack(), age.nowMs, age.idleMs);
  if (insertion.outcome == IndexTable::Outcome::kFull) {
    const bool isConfirmed = own_.at(reference.flow).is(kFlowConfirmed);
    const int least = !reference.claimed ? 1 : isConfirmed ? 2 : 3;
    insertion = table.insertOver(key, reference.pack(), age.nowMs, [this, least](uint64_t value) {
      const int rank = rankOf(FlowReference::unpack(value));
      return rank >= least ? rank : 0;
    });
  }
  if (insertion.outcome == IndexTable::Outcome::kFull) return std::nullopt;
  return insertion.handle.place;
}

/// The flow's oldest claim gives way, unless its backend has shown the ID since.
void Learner::remember(uint32_t index, uint32_t place) {
  FlowHistory& history = own_.historyOf(index);
  uint32_t& slot = history.cids[history.nextCid];
  history.nextCid = static_cast<uint8_t>((history.nextCid + 1) % FlowHistory::kCids);
  const auto former = own_.byDcid().valueAt({slot});
  if (former && slot != place) {
    const FlowReference reference = FlowReference::unpack(*former);
    const bool isMine = reference.flow == index && reference.flowEpoch == own_.at(index).epoch;
    if (isMine && reference.claimed) own_.byDcid().erase(IndexTable::Handle{slot});
  }
  slot = place;
}

bool Learner::isQuicForCertain(const Invariants& packet, uint32_t index, Age age) const {
  const uint32_t clientVersion = own_.historyOf(index).clientVersion;
  if (own_.at(index).is(kFlowNoQuic)) return false;
  // What the client began came by a worker that borrows this flow's port.
  if (clientVersion == 0) return isRegistered(packet.version);
  const bool versionIsShared = packet.version == clientVersion;
  if (versionIsShared && isRegistered(packet.version)) return true;
  const bool tellsClient = packet.dcid.size() >= CidLengths::kMinLength;
  if (!versionIsShared && !tellsClient) return false;
  const auto scid =
      own_.byTupleScid().find(own_.tupleScidKey(own_.at(index).tuple, packet.dcid), age.nowMs, age.idleMs);
  return scid && FlowReference::unpack(scid->value).flow == index;
}

Lesson Learner::fromBackend(const RouteView& view, uint32_t index, std::span<const uint8_t> datagram, uint32_t nowMs) {
  Lesson lesson;
  Flow& flow = own_.at(index);
  flow.set(kFlowAnswered);
  if (path_proof::backendTrusts(flow, own_.historyOf(index), datagram.size())) {
    own_.confirm(index, nowMs);
    lesson.confirmed = true;
  }
  if (datagram.empty() || (datagram[0] & 0x80) == 0) return lesson;
  const Invariants packet = Invariants::parse(datagram);
  // A Version Negotiation packet repeats the client's own choice (RFC 8999 section 6).
  if (packet.form != HeaderForm::kLong || packet.version == 0 || !CidLengths::mayBeLearned(packet.scid.size())) {
    return lesson;
  }
  const Age age{nowMs, view.idleTimeoutMs};
  if (isQuicForCertain(packet, index, age)) {
    vouch(view, index, packet.scid, age, lesson);
    return lesson;
  }
  FlowHistory& history = own_.historyOf(index);
  const bool mayBe = !flow.is(kFlowNoQuic) && !flow.is(kFlowConfirmed) && history.clientVersion != 0;
  if (!mayBe || (history.vouched != 0 && !flow.is(kFlowIdPending))) return lesson;
  history.vouched = wordOf(own_.cidKey(packet.scid));
  flow.set(kFlowIdPending);
  return lesson;
}

/// A Connection ID that the backend of a flow chose for it.
void Learner::vouch(const RouteView& view, uint32_t index, std::span<const uint8_t> cid, Age age, Lesson& lesson) {
  const Digest128 key = own_.cidKey(cid);
  noteShown(view, index, cid, key);
  if (!lengths_.add(static_cast<uint8_t>(cid.size()), age.nowMs)) lesson.lengthRefused++;
  const FlowReference mine = own_.referenceTo(index);
  if (const auto known = own_.byDcid().find(key, age.nowMs, age.idleMs)) {
    meetKnown(view, *known, mine, age.nowMs);
  } else if (insert(key, mine, age)) {
    lesson.learned++;
    // Before, anybody may have begun the flow, and the kernel's map is small.
    if (own_.at(index).is(kFlowConfirmed)) lesson.forSteering = cid;
  } else {
    lesson.tableFull++;
  }
}

void Learner::noteShown(const RouteView& view, uint32_t index, std::span<const uint8_t> cid, const Digest128& key) {
  Flow& flow = own_.at(index);
  FlowHistory& history = own_.historyOf(index);
  if (history.vouched == wordOf(key) && !flow.is(kFlowIdPending)) return;
  history.vouched = wordOf(key);
  flow.clear(kFlowIdPending);
  flow.serverCidLength = static_cast<uint8_t>(cid.size());
  flow.cidLengths |= uint32_t{1} << cid.size();
  const uint32_t first = own_.findByTuple(own_.tupleKey(flow.tuple));
  if (first != kNoFlow) own_.at(first).cidLengths |= flow.cidLengths;
  // Else its first DCID goes on naming it, by which a repeated first flight is known.
  if (view.sampleOneIn != 0) sampleBy(view, cid, flow, history);
  own_.publish(index);
}

/// The ID stands in the table already.
void Learner::meetKnown(const RouteView& view, const IndexTable::Found& known, const FlowReference& mine,
                        uint32_t nowMs) {
  IndexTable& table = own_.byDcid();
  const FlowReference present = FlowReference::unpack(known.value);
  const bool sameBackend = present.backendSlot == mine.backendSlot && present.backendEpoch == mine.backendEpoch;
  if (sameBackend && !present.claimed) {
    table.touch(known.handle, nowMs);
  } else if (!present.claimed && view.knows(present)) {
    table.update(known.handle, kAmbiguous.pack(), nowMs);
  } else if (present.claimed || present.pack() != kAmbiguous.pack()) {
    table.update(known.handle, mine.pack(), nowMs);
  }
}

}  // namespace quicproxy
