#include "route/flow_table.h"

#include <algorithm>
#include <cstring>

namespace quicproxy {

namespace {

/// Places per flow. Two choices of four places hold 80 % before the first insert finds none; these stay below 67 %.
/// A connection has two Connection IDs while it begins: the client's random one and its server's.
constexpr uint32_t tuplePlaces(uint32_t flows) { return flows + flows / 2; }
constexpr uint32_t cidPlaces(uint32_t flows) { return flows * 3; }

/// Entries that end with their flow need no idle time of their own.
constexpr uint32_t kFlowLifetime = IndexTable::kMaxIdleMs;

std::span<const uint8_t> octets(const FourTuple& tuple) {
  return {reinterpret_cast<const uint8_t*>(&tuple), sizeof tuple};
}

}  // namespace

size_t FlowTable::bytesFor(uint32_t flows) {
  return 3 * IndexTable::bytesFor(tuplePlaces(flows)) + IndexTable::bytesFor(cidPlaces(flows)) + flows * sizeof(Flow);
}

uint32_t FlowTable::flowsFor(uint64_t memoryBytes) {
  constexpr uint64_t kSample = 1 << 16;
  const uint64_t estimate = memoryBytes * kSample / bytesFor(kSample);
  auto flows = static_cast<uint32_t>(std::min<uint64_t>(estimate, IndexTable::kMaxCapacity / 4));
  while (flows > 0 && bytesFor(flows) > memoryBytes) flows--;
  return flows;
}

std::optional<FlowTable> FlowTable::create(std::span<std::byte> memory, uint32_t flows, SipKey key) {
  if (flows == 0 || memory.size() < bytesFor(flows)) return std::nullopt;
  auto nextIndex = [&memory](uint32_t places) {
    const std::optional<IndexTable> index = IndexTable::create(memory, places);
    memory = memory.subspan(IndexTable::bytesFor(places));
    return index;
  };
  const auto byTuple = nextIndex(tuplePlaces(flows));
  const auto byTupleScid = nextIndex(tuplePlaces(flows));
  const auto byDcid = nextIndex(cidPlaces(flows));
  const auto byPath = nextIndex(tuplePlaces(flows));
  if (!byTuple || !byTupleScid || !byDcid || !byPath) return std::nullopt;

  FlowTable table(*byTuple, *byTupleScid, *byDcid, *byPath);
  table.key_ = key;
  table.flows_ = reinterpret_cast<Flow*>(memory.data());
  table.capacity_ = flows;
  for (uint32_t i = 0; i < flows; i++) {
    Flow& flow = *std::construct_at(&table.flows_[i]);
    flow.next = i + 1 < flows ? i + 1 : kNoFlow;
  }
  table.firstFree_ = 0;
  return table;
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
  const uint32_t index = firstFree_;
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
  firstFree_ = nextFree;
  live_++;
  appendUnassured(index);
  return index;
}

void FlowTable::appendUnassured(uint32_t index) {
  Flow& flow = flows_[index];
  flow.next = kNoFlow;
  flow.previous = lastUnassured_;
  (lastUnassured_ == kNoFlow ? firstUnassured_ : flows_[lastUnassured_].next) = index;
  lastUnassured_ = index;
}

void FlowTable::removeUnassured(uint32_t index) {
  const Flow& flow = flows_[index];
  (flow.previous == kNoFlow ? firstUnassured_ : flows_[flow.previous].next) = flow.next;
  (flow.next == kNoFlow ? lastUnassured_ : flows_[flow.next].previous) = flow.previous;
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
  flow.next = firstFree_;
  firstFree_ = index;
  live_--;
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
  if (reference.flow >= capacity_) return false;
  const Flow& flow = flows_[reference.flow];
  return (flow.flags & kFlowLive) != 0 && flow.epoch == reference.flowEpoch &&
         flow.backendSlot == reference.backendSlot;
}

}  // namespace quicproxy
