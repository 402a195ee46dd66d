#include "route/flow_table.h"

#include <algorithm>
#include <cstring>

namespace quicproxy {

namespace {

/// Places per flow: at most 72 % of them are taken, see IndexTable::bytesFor.
/// A connection has two Connection IDs while it begins: the client's random one and its server's.
constexpr uint32_t tuplePlaces(uint32_t flows) { return flows + (2 * flows + 4) / 5; }
constexpr uint32_t cidPlaces(uint32_t flows) { return 2 * tuplePlaces(flows); }

/// Entries that end with their flow need no idle time of their own.
constexpr uint32_t kFlowLifetime = IndexTable::kMaxIdleMs;

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
  region.byPathOffset = region.byDcidOffset + IndexTable::bytesFor(cidPlaces(flows));
  region.flowsOffset = region.byPathOffset + IndexTable::bytesFor(tuplePlaces(flows));
  region.totalBytes = region.flowsOffset + uint64_t{flows} * sizeof(Flow);
  region.firstUnassured = kNoFlow;
  region.lastUnassured = kNoFlow;
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
  const auto byPath = index(layout.byPathOffset, tuplePlaces(flows));
  if (!byTuple || !byTupleScid || !byDcid || !byPath) return std::nullopt;
  FlowTable table(*std::construct_at(reinterpret_cast<FlowRegion*>(memory.data()), layout),
                  {*byTuple, *byTupleScid, *byDcid, *byPath});
  for (uint32_t i = 0; i < flows; i++) {
    Flow& flow = *std::construct_at(&table.flows_[i]);
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
  const auto byPath = index(layout.byPathOffset, tuplePlaces(flows));
  if (!byTuple || !byTupleScid || !byDcid || !byPath) return std::nullopt;
  FlowTable table(region, {*byTuple, *byTupleScid, *byDcid, *byPath});
  return table.linksAreSound() ? std::optional(table) : std::nullopt;
}

bool FlowTable::linksAreSound() const {
  const auto leads = [this](uint32_t flow) { return flow == kNoFlow || flow < capacity(); };
  if (region_->live > capacity() || region_->sweepNext >= capacity()) return false;
  if (!leads(region_->firstFree) || !leads(region_->firstUnassured) || !leads(region_->lastUnassured)) return false;
  return std::all_of(flows_, flows_ + capacity(),
                     [&](const Flow& flow) { return leads(flow.next) && leads(flow.previous); });
}

Digest128 FlowTable::tupleKey(const FourTuple& tuple) const { return sipHash128(key_, octets(tuple)); }

Digest128 FlowTable::tupleScidKey(const FourTuple& tuple, std::span<const uint8_t> scid) const {
  uint8_t input[sizeof(FourTuple) + 255];
  std::memcpy(input, &tuple, sizeof tuple);
  if (!scid.empty()) std::memcpy(input + sizeof tuple, scid.data(), scid.size());
  return sipHash128(key_, {input, sizeof tuple + scid.size()});
}

Digest128 FlowTable::pathKey(const FourTuple& tuple, uint16_t backendSlot) const {
  uint8_t input[sizeof(FourTuple) + sizeof backendSlot];
  std::memcpy(input, &tuple, sizeof tuple);
  std::memcpy(input + sizeof tuple, &backendSlot, sizeof backendSlot);
  return sipHash128(key_, input);
}

uint32_t FlowTable::findFlow(const IndexTable& index, const Digest128& key, uint32_t nowMs) const {
  const auto found = index.find(key, nowMs, kFlowLifetime);
  if (!found) return kNoFlow;
  const FlowReference reference = FlowReference::unpack(found->value);
  return isLive(reference) ? reference.flow : kNoFlow;
}

uint32_t FlowTable::findByTuple(const Digest128& tupleKey, uint32_t nowMs) const {
  return findFlow(byTuple_, tupleKey, nowMs);
}

std::optional<FlowReference> FlowTable::findForeignByTuple(const Digest128& tupleKey, uint32_t nowMs) const {
  const auto value = byTuple_.findForeign(tupleKey, nowMs, kFlowLifetime);
  if (!value) return std::nullopt;
  return FlowReference::unpack(*value);
}

uint32_t FlowTable::findByPath(const FourTuple& tuple, uint16_t backendSlot, uint32_t nowMs) const {
  return findFlow(byPath_, pathKey(tuple, backendSlot), nowMs);
}

uint32_t FlowTable::create(const NewFlow& wanted, uint32_t nowMs) {
  if (full()) return kNoFlow;
  const uint32_t index = region_->firstFree;
  Flow& flow = flows_[index];
  const uint32_t nextFree = flow.next;
  const auto epoch = static_cast<uint8_t>(flow.epoch + 1);
  flow = Flow{};
  flow.tuple = wanted.tuple;
  flow.lastSeenMs = nowMs;
  flow.backendSlot = wanted.backendSlot;
  flow.backendEpoch = wanted.backendEpoch;
  flow.epoch = epoch;
  flow.endpoint = wanted.endpoint;
  flow.flags = kFlowLive;
  const uint64_t reference = referenceTo(index).pack();
  const Digest128 path = pathKey(flow.tuple, flow.backendSlot);
  const auto byPath = byPath_.insert(path, reference, nowMs, kFlowLifetime);
  const auto byTuple = byTuple_.insert(tupleKey(flow.tuple), reference, nowMs, kFlowLifetime);
  if (byPath.outcome == IndexTable::Outcome::kFull || byTuple.outcome == IndexTable::Outcome::kFull) {
    if (byPath.outcome != IndexTable::Outcome::kFull) byPath_.erase(path);
    flow.flags = 0;
    flow.next = nextFree;
    return kNoFlow;
  }
  region_->firstFree = nextFree;
  region_->live++;
  appendUnassured(index);
  return index;
}

void FlowTable::appendUnassured(uint32_t index) {
  Flow& flow = flows_[index];
  flow.next = kNoFlow;
  flow.previous = region_->lastUnassured;
  (region_->lastUnassured == kNoFlow ? region_->firstUnassured : flows_[region_->lastUnassured].next) = index;
  region_->lastUnassured = index;
}

void FlowTable::removeUnassured(uint32_t index) {
  const Flow& flow = flows_[index];
  (flow.previous == kNoFlow ? region_->firstUnassured : flows_[flow.previous].next) = flow.next;
  (flow.next == kNoFlow ? region_->lastUnassured : flows_[flow.next].previous) = flow.previous;
}

void FlowTable::assure(uint32_t index) {
  Flow& flow = flows_[index];
  if ((flow.flags & kFlowAssured) != 0) return;
  removeUnassured(index);
  flow.flags |= kFlowAssured;
}

void FlowTable::remove(uint32_t index) {
  Flow& flow = flows_[index];
  byPath_.erase(pathKey(flow.tuple, flow.backendSlot));
  const Digest128 tuple = tupleKey(flow.tuple);
  const auto byTuple = byTuple_.find(tuple, flow.lastSeenMs, kFlowLifetime);
  // A later flow of the same tuple to another backend may have taken the entry over.
  if (byTuple && FlowReference::unpack(byTuple->value).flow == index) byTuple_.erase(byTuple->handle);
  if ((flow.flags & kFlowAssured) == 0) removeUnassured(index);
  flow.flags = 0;
  flow.next = region_->firstFree;
  region_->firstFree = index;
  region_->live--;
}

void FlowTable::sweepCids(uint32_t count, uint32_t nowMs, uint32_t idleMs) {
  const auto nothing = [](const IndexTable::Pair&) {};
  byTupleScid_.sweep(count, nowMs, idleMs, nothing);
  byDcid_.sweep(count * 2, nowMs, idleMs, nothing);
}

FlowReference FlowTable::referenceTo(uint32_t index) const {
  const Flow& flow = flows_[index];
  return {index, flow.backendSlot, flow.backendEpoch, flow.epoch};
}

bool FlowTable::isLive(const FlowReference& reference) const {
  if (reference.flow >= capacity()) return false;
  const Flow& flow = flows_[reference.flow];
  return (flow.flags & kFlowLive) != 0 && flow.epoch == reference.flowEpoch &&
         flow.backendSlot == reference.backendSlot;
}

}  // namespace quicproxy
