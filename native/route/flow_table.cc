#include "route/flow_table.h"

#include <algorithm>
#include <cstring>

namespace quicproxy {

namespace {

/// Places per flow: at most 72 % of them are taken, see IndexTable::bytesFor.
constexpr uint32_t tuplePlaces(uint32_t flows) { return flows + (2 * flows + 4) / 5; }
/// Most connections show one Connection ID for the table, those of servers that answer with Retry two; where more find
/// no room, those that clients claimed give way.
constexpr uint32_t cidPlaces(uint32_t flows) { return 2 * flows; }

/// Member by member: what other workers read or write is never written but as they do.
void begin(Flow& flow, const FlowTable::NewFlow& wanted, uint8_t epoch, uint32_t nowMs) {
  flow.tuple = wanted.tuple;
  flow.see(nowMs);
  flow.cidLengths = wanted.cidLengths;
  flow.upstreamPort = 0;
  flow.backendSlot = wanted.backendSlot;
  flow.upstreamSource = 0;
  flow.backendEpoch = wanted.backendEpoch;
  flow.epoch = epoch;
  flow.endpoint = wanted.endpoint;
  flow.flags = kFlowLive;
  flow.serverCidLength = 0;
  flow.owner = 0;
}

void begin(FlowHistory& history, uint32_t nowMs) {
  std::atomic_ref(history.notes).store(0, std::memory_order_relaxed);
  history.vouched = 0;
  history.connection = 0;
  history.clientVersion = 0;
  history.sibling = kNoFlow;
  std::fill(std::begin(history.cids), std::end(history.cids), FlowHistory::kNoPlace);
  history.scid = FlowHistory::kNoPlace;
  history.allowance = 0;
  history.rounds = 0;
  history.movedRounds = 0;
  history.versions = 0;
  history.nextCid = 0;
  history.ownerEpoch = 0;
  history.moves = 0;
  history.movesAt = 0;
  history.searches = 0;
  history.searchesAt = 0;
  path_proof::begin(history, nowMs);
}

std::span<const uint8_t> octets(const FourTuple& tuple) {
  return {reinterpret_cast<const uint8_t*>(&tuple), sizeof tuple};
}

}  // namespace

FlowRegion FlowTable::layoutOf(uint32_t flows) {
  FlowRegion region{};
  region.magic = FlowRegion::kMagic;
  region.version = FlowRegion::kVersion;
  region.flowBytes = sizeof(Flow);
  region.capacity = flows;
  region.byTupleOffset = sizeof(FlowRegion);
  region.byTupleScidOffset = region.byTupleOffset + IndexTable::bytesFor(tuplePlaces(flows));
  region.byDcidOffset = region.byTupleScidOffset + IndexTable::bytesFor(tuplePlaces(flows));
  region.flowsOffset = region.byDcidOffset + IndexTable::bytesFor(cidPlaces(flows));
  region.historiesOffset = region.flowsOffset + uint64_t{flows} * sizeof(Flow);
  region.totalBytes = region.historiesOffset + uint64_t{flows} * sizeof(FlowHistory);
  region.firstEvictable = kNoFlow;
  region.lastEvictable = kNoFlow;
  return region;
}

size_t FlowTable::bytesFor(uint32_t flows) { return layoutOf(flows).totalBytes; }

uint32_t FlowTable::flowsFor(uint64_t memoryBytes) {
  constexpr uint64_t kSample = 1 << 16;
  const uint64_t estimate = memoryBytes * kSample / bytesFor(kSample);
  auto flows = static_cast<uint32_t>(std::min<uint64_t>(estimate, IndexTable::kMaxCapacity / 4));
  while (flows > 0 && bytesFor(flows) > memoryBytes) flows--;
  return flows;
}

std::optional<FlowTable> FlowTable::create(std::span<std::byte> memory, uint32_t flows, SipKey key) {
  if (flows == 0 || memory.size() < bytesFor(flows)) return std::nullopt;
  FlowRegion layout = layoutOf(flows);
  layout.key0 = key.k0;
  layout.key1 = key.k1;
  const auto index = [&](uint64_t offset, uint32_t places) {
    return IndexTable::create(memory.subspan(offset, IndexTable::bytesFor(places)), places);
  };
  const auto byTuple = index(layout.byTupleOffset, tuplePlaces(flows));
  const auto byTupleScid = index(layout.byTupleScidOffset, tuplePlaces(flows));
  const auto byDcid = index(layout.byDcidOffset, cidPlaces(flows));
  if (!byTuple || !byTupleScid || !byDcid) return std::nullopt;
  FlowTable table(*std::construct_at(reinterpret_cast<FlowRegion*>(memory.data()), layout),
                  {*byTuple, *byTupleScid, *byDcid});
  for (uint32_t i = 0; i < flows; i++) {
    Flow& flow = *std::construct_at(&table.flows_[i]);
    std::construct_at(&table.histories_[i]);
    flow.next = i + 1 < flows ? i + 1 : kNoFlow;
  }
  return table;
}

std::optional<FlowTable> FlowTable::attach(std::span<std::byte> memory) {
  if (reinterpret_cast<uintptr_t>(memory.data()) % IndexTable::kAlignment != 0) return std::nullopt;
  if (memory.size() < sizeof(FlowRegion)) return std::nullopt;
  auto& region = *reinterpret_cast<FlowRegion*>(memory.data());
  const uint32_t flows = region.capacity;
  if (flows == 0 || flows > IndexTable::kMaxCapacity / 4 || memory.size() < bytesFor(flows)) return std::nullopt;
  // All that depends on the capacity alone must be as this version would lay it out.
  const FlowRegion layout = layoutOf(flows);
  if (std::memcmp(&region, &layout, offsetof(FlowRegion, key0)) != 0) return std::nullopt;
  const auto index = [&](uint64_t offset, uint32_t places) {
    const auto table = IndexTable::attach(memory.subspan(offset, IndexTable::bytesFor(places)));
    return table && table->capacity() >= places ? table : std::nullopt;
  };
  const auto byTuple = index(layout.byTupleOffset, tuplePlaces(flows));
  const auto byTupleScid = index(layout.byTupleScidOffset, tuplePlaces(flows));
  const auto byDcid = index(layout.byDcidOffset, cidPlaces(flows));
  if (!byTuple || !byTupleScid || !byDcid) return std::nullopt;
  FlowTable table(region, {*byTuple, *byTupleScid, *byDcid});
  return table.linksAreSound() ? std::optional(table) : std::nullopt;
}

bool FlowTable::linksAreSound() const {
  const auto leads = [this](uint32_t flow) { return flow == kNoFlow || flow < capacity(); };
  if (region_->live > capacity() || region_->sweepNext >= capacity()) return false;
  if (!leads(region_->firstFree) || !leads(region_->firstEvictable) || !leads(region_->lastEvictable)) return false;
  const bool flows = std::all_of(flows_, flows_ + capacity(),
                                 [&](const Flow& flow) { return leads(flow.next) && leads(flow.previous); });
  return flows && std::all_of(histories_, histories_ + capacity(),
                              [&](const FlowHistory& history) { return leads(history.sibling); });
}

Digest128 FlowTable::tupleKey(const FourTuple& tuple) const { return sipHash128(key_, octets(tuple)); }

Digest128 FlowTable::tupleScidKey(const FourTuple& tuple, std::span<const uint8_t> scid) const {
  uint8_t input[sizeof(FourTuple) + 255];
  std::memcpy(input, &tuple, sizeof tuple);
  if (!scid.empty()) std::memcpy(input + sizeof tuple, scid.data(), scid.size());
  return sipHash128(key_, {input, sizeof tuple + scid.size()});
}

uint32_t FlowTable::findByTuple(const Digest128& tupleKey) const {
  const auto found = byTuple_.find(tupleKey, 0, IndexTable::kNeverIdle);
  return found ? FlowReference::unpack(found->value).flow : kNoFlow;
}

uint32_t FlowTable::findByPath(const FourTuple& tuple, uint16_t backendSlot) const {
  uint32_t flow = findByTuple(tupleKey(tuple));
  while (flow != kNoFlow && flows_[flow].backendSlot != backendSlot) flow = histories_[flow].sibling;
  return flow;
}

uint32_t FlowTable::create(const NewFlow& wanted, uint32_t nowMs) {
  if (full()) return kNoFlow;
  const uint32_t index = region_->firstFree;
  Flow& flow = flows_[index];
  const uint32_t nextFree = flow.next;
  const auto epoch = static_cast<uint8_t>(flow.epoch + 1);
  begin(flow, wanted, epoch, nowMs);
  FlowHistory& history = histories_[index];
  begin(history, nowMs);
  if (wanted.moved) path_proof::move(flow, history);
  if (!placeAmongSiblings(index, wanted.moved, nowMs)) {
    flow.flags = 0;
    flow.next = nextFree;
    return kNoFlow;
  }
  region_->firstFree = nextFree;
  region_->live++;
  appendEvictable(index);
  return index;
}

bool FlowTable::placeAmongSiblings(uint32_t index, bool moved, uint32_t nowMs) {
  const Digest128 key = tupleKey(flows_[index].tuple);
  const auto found = byTuple_.find(key, nowMs, IndexTable::kNeverIdle);
  if (!found) {
    const auto placed = byTuple_.insert(key, referenceTo(index).pack(), nowMs, IndexTable::kNeverIdle);
    return placed.outcome != IndexTable::Outcome::kFull;
  }
  const uint32_t first = FlowReference::unpack(found->value).flow;
  uint32_t siblings = 1;
  for (uint32_t at = first; histories_[at].sibling != kNoFlow; at = histories_[at].sibling) siblings++;
  if (siblings >= kMaxSiblings) return false;
  if (yieldsTo(flows_[first], flows_[index], moved, nowMs)) {
    flows_[index].cidLengths |= flows_[first].cidLengths;
    histories_[index].sibling = first;
    byTuple_.update(found->handle, referenceTo(index).pack(), nowMs);
  } else {
    flows_[first].cidLengths |= flows_[index].cidLengths;
    histories_[index].sibling = histories_[first].sibling;
    histories_[first].sibling = index;
  }
  return true;
}

bool FlowTable::yieldsTo(const Flow& first, const Flow& next, bool moved, uint32_t nowMs) const {
  if (!first.is(kFlowConfirmed)) return !moved || next.is(kFlowConfirmed);
  const bool stale = static_cast<int32_t>(nowMs - first.seenAtMs()) >= static_cast<int32_t>(kFirstStaleMs);
  return next.is(kFlowConfirmed) && (stale || !moved);
}

void FlowTable::promote(uint32_t index, uint32_t nowMs) {
  const auto found = byTuple_.find(tupleKey(flows_[index].tuple), nowMs, IndexTable::kNeverIdle);
  if (!found) return;
  const uint32_t first = FlowReference::unpack(found->value).flow;
  // Whoever came by a Connection ID alone may be anybody; with one that its backend showed it here it is the client.
  const bool moved = histories_[index].vouched == 0;
  if (first == index || !yieldsTo(flows_[first], flows_[index], moved, nowMs)) return;
  leaveSiblings(index);
  flows_[index].cidLengths |= flows_[first].cidLengths;
  histories_[index].sibling = first;
  byTuple_.update(found->handle, referenceTo(index).pack(), nowMs);
}

/// Of a flow that is not the first one.
void FlowTable::leaveSiblings(uint32_t index) {
  uint32_t at = findByTuple(tupleKey(flows_[index].tuple));
  while (at != kNoFlow && histories_[at].sibling != index) at = histories_[at].sibling;
  if (at != kNoFlow) histories_[at].sibling = histories_[index].sibling;
  histories_[index].sibling = kNoFlow;
}

uint32_t FlowTable::evictableSibling(const FourTuple& tuple) const {
  uint32_t last = kNoFlow;
  for (uint32_t at = findByTuple(tupleKey(tuple)); at != kNoFlow; at = histories_[at].sibling) {
    if (!flows_[at].is(kFlowConfirmed)) last = at;
  }
  return last;
}

void FlowTable::appendEvictable(uint32_t index) {
  Flow& flow = flows_[index];
  flow.next = kNoFlow;
  flow.previous = region_->lastEvictable;
  (region_->lastEvictable == kNoFlow ? region_->firstEvictable : flows_[region_->lastEvictable].next) = index;
  region_->lastEvictable = index;
}

void FlowTable::removeEvictable(uint32_t index) {
  const Flow& flow = flows_[index];
  (flow.previous == kNoFlow ? region_->firstEvictable : flows_[flow.previous].next) = flow.next;
  (flow.next == kNoFlow ? region_->lastEvictable : flows_[flow.next].previous) = flow.previous;
}

void FlowTable::makeYoungest(uint32_t index) {
  if (flows_[index].is(kFlowConfirmed) || region_->lastEvictable == index) return;
  removeEvictable(index);
  appendEvictable(index);
}

void FlowTable::confirm(uint32_t index, uint32_t nowMs) {
  Flow& flow = flows_[index];
  if (flow.is(kFlowConfirmed)) return;
  removeEvictable(index);
  flow.set(kFlowConfirmed);
  flow.set(kFlowUntold);
  promote(index, nowMs);
  if (std::atomic_ref(histories_[index].published).load(std::memory_order_relaxed) != 0) publish(index);
}

void FlowTable::remove(uint32_t index) {
  Flow& flow = flows_[index];
  FlowHistory& history = histories_[index];
  std::atomic_ref(history.published).store(0, std::memory_order_release);
  const auto found = byTuple_.find(tupleKey(flow.tuple), 0, IndexTable::kNeverIdle);
  if (found && FlowReference::unpack(found->value).flow == index) {
    if (history.sibling == kNoFlow) {
      byTuple_.erase(found->handle);
    } else {
      flows_[history.sibling].cidLengths |= flow.cidLengths;
      byTuple_.update(found->handle, referenceTo(history.sibling).pack(), 0);
    }
  } else {
    leaveSiblings(index);
  }
  const auto scid = byTupleScid_.valueAt({history.scid});
  if (scid && FlowReference::unpack(*scid).flow == index) byTupleScid_.erase(IndexTable::Handle{history.scid});
  if (!flow.is(kFlowConfirmed)) removeEvictable(index);
  flow.flags = 0;
  flow.next = region_->firstFree;
  region_->firstFree = index;
  region_->live--;
}

void FlowTable::sweepCids(uint32_t count, uint32_t nowMs, uint32_t idleMs) {
  const auto nothing = [](const IndexTable::Pair&) {};
  byTupleScid_.sweep(count, nowMs, idleMs, nothing);
  byDcid_.sweep(count + count / 2, nowMs, idleMs, nothing);
}

FlowReference FlowTable::referenceTo(uint32_t index) const {
  const Flow& flow = flows_[index];
  return {index, flow.backendSlot, flow.backendEpoch, flow.epoch};
}

bool FlowTable::isLive(const FlowReference& reference) const {
  if (reference.flow >= capacity()) return false;
  const Flow& flow = flows_[reference.flow];
  return flow.is(kFlowLive) && flow.epoch == reference.flowEpoch && flow.backendSlot == reference.backendSlot;
}

std::optional<FlowReference> FlowTable::findForeignByTuple(const Digest128& tupleKey, uint32_t nowMs) const {
  const auto value = byTuple_.findForeign(tupleKey, nowMs, IndexTable::kNeverIdle);
  if (!value) return std::nullopt;
  return FlowReference::unpack(*value);
}

std::optional<FlowWay> FlowTable::wayOf(const FlowReference& reference) const {
  if (reference.flow >= capacity()) return std::nullopt;
  const FlowWay way =
      FlowWay::unpack(std::atomic_ref(histories_[reference.flow].published).load(std::memory_order_acquire));
  if (!way.lends || way.epoch != reference.flowEpoch || way.backendSlot != reference.backendSlot) return std::nullopt;
  return way;
}

void FlowTable::keepAlive(uint32_t flow, uint32_t nowMs) const {
  // Read first: the line stays shared while nothing changes.
  if (flows_[flow].seenAtMs() != nowMs) flows_[flow].see(nowMs);
}

void FlowTable::note(uint32_t flow, FlowNote note) const {
  std::atomic_ref notes(histories_[flow].notes);
  if ((notes.load(std::memory_order_relaxed) & note) == 0) notes.fetch_or(note, std::memory_order_relaxed);
}

bool FlowTable::hasNote(uint32_t flow, FlowNote note) const {
  return (std::atomic_ref(histories_[flow].notes).load(std::memory_order_relaxed) & note) != 0;
}

void FlowTable::ownPort(uint32_t index) {
  if (!flows_[index].is(kFlowBorrowed)) return;
  flows_[index].clear(kFlowBorrowed);
  histories_[index].clientVersion = 0;
}

void FlowTable::publish(uint32_t index) {
  const Flow& flow = flows_[index];
  const FlowWay way{flow.upstreamPort,    flow.backendSlot,        flow.upstreamSource,    flow.epoch,
                    flow.serverCidLength, !flow.is(kFlowBorrowed), flow.is(kFlowConfirmed)};
  std::atomic_ref(histories_[index].published).store(way.pack(), std::memory_order_release);
}

}  // namespace quicproxy
