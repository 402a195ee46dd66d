#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "route/flow.h"
#include "route/flow_region.h"
#include "route/index_table.h"
#include "route/siphash.h"

namespace quicproxy {

/// One worker's flows and the four indexes over them, in memory handed in from outside, laid out as FlowRegion says.
///
/// The worker writes; other workers only read byDcid and the index by 4-tuple. Entries by 4-tuple and by path live and
/// end with their flow; those by Connection ID have an idle time of their own, so that a connection may outlive the
/// path it began on.
class FlowTable {
 public:
  /// Flows for which `memoryBytes` suffice: about 251 bytes each, of which 72 are the flow.
  [[nodiscard]] static uint32_t flowsFor(uint64_t memoryBytes);
  [[nodiscard]] static size_t bytesFor(uint32_t flows);

  /// None when the memory is too small or not aligned to IndexTable::kAlignment.
  [[nodiscard]] static std::optional<FlowTable> create(std::span<std::byte> memory, uint32_t flows, SipKey key);

  /// Finds the table that another thread or process laid into `memory`, with all that is in it. None if it is not one
  /// of this version, or says of itself what cannot be. Its writer must have stopped.
  [[nodiscard]] static std::optional<FlowTable> attach(std::span<std::byte> memory);

  [[nodiscard]] Flow& at(uint32_t flow) { return flows_[flow]; }
  [[nodiscard]] const Flow& at(uint32_t flow) const { return flows_[flow]; }
  [[nodiscard]] uint32_t capacity() const { return region_->capacity; }
  [[nodiscard]] uint32_t liveCount() const { return region_->live; }
  [[nodiscard]] bool full() const { return region_->firstFree == kNoFlow; }

  [[nodiscard]] Digest128 tupleKey(const FourTuple& tuple) const;
  [[nodiscard]] Digest128 tupleScidKey(const FourTuple& tuple, std::span<const uint8_t> scid) const;
  [[nodiscard]] Digest128 cidKey(std::span<const uint8_t> cid) const { return sipHash128(key_, cid); }

  /// The flow that the tuple used last, to whatever backend; kNoFlow if none.
  [[nodiscard]] uint32_t findByTuple(const Digest128& tupleKey, uint32_t nowMs) const;
  /// The same for any other worker's thread. The flow itself is not for it to look at.
  [[nodiscard]] std::optional<FlowReference> findForeignByTuple(const Digest128& tupleKey, uint32_t nowMs) const;
  /// Starts to load what findForeignByTuple will read.
  void prefetchByTuple(const Digest128& tupleKey) const { byTuple_.prefetch(tupleKey); }
  /// The flow of this tuple to this backend; kNoFlow if none.
  [[nodiscard]] uint32_t findByPath(const FourTuple& tuple, uint16_t backendSlot, uint32_t nowMs) const;

  /// What a new flow is made of.
  struct NewFlow {
    const FourTuple& tuple;
    uint16_t backendSlot;
    uint8_t backendEpoch;
    uint8_t endpoint;
  };
  /// kNoFlow when there is no room.
  uint32_t create(const NewFlow& flow, uint32_t nowMs);
  void remove(uint32_t flow);

  /// The backend answered on this flow: it will not be evicted any more.
  void assure(uint32_t flow);
  /// The oldest flow to which no backend has answered: what has to go first under pressure; kNoFlow if there is none.
  [[nodiscard]] uint32_t oldestUnassured() const { return region_->firstUnassured; }

  /// Looks at the next `count` flows and calls onIdle(flow index) for each that was idle for `idleMs`.
  template <typename OnIdle>
  void sweepFlows(uint32_t count, uint32_t nowMs, uint32_t idleMs, OnIdle&& onIdle) {
    for (uint32_t left = count < capacity() ? count : capacity(); left > 0; left--) {
      const uint32_t index = region_->sweepNext;
      region_->sweepNext = index + 1 == capacity() ? 0 : index + 1;
      const Flow& flow = flows_[index];
      if ((flow.flags & kFlowLive) == 0) continue;
      if (static_cast<int32_t>(nowMs - flow.lastSeenMs) >= static_cast<int32_t>(idleMs)) onIdle(index);
    }
  }
  /// Frees idle Connection ID entries, a bounded part of the tables at a time.
  void sweepCids(uint32_t count, uint32_t nowMs, uint32_t idleMs);

  [[nodiscard]] FlowReference referenceTo(uint32_t flow) const;
  /// Whether the flow that a reference names is still the same one.
  [[nodiscard]] bool isLive(const FlowReference& reference) const;

  [[nodiscard]] IndexTable& byTupleScid() { return byTupleScid_; }
  [[nodiscard]] IndexTable& byDcid() { return byDcid_; }
  [[nodiscard]] const IndexTable& byDcid() const { return byDcid_; }

 private:
  struct Indexes {
    IndexTable byTuple;
    IndexTable byTupleScid;
    IndexTable byDcid;
    IndexTable byPath;
  };
  FlowTable(FlowRegion& region, const Indexes& indexes)
      : byTuple_(indexes.byTuple),
        byTupleScid_(indexes.byTupleScid),
        byDcid_(indexes.byDcid),
        byPath_(indexes.byPath),
        region_(&region),
        key_{region.key0, region.key1},
        flows_(reinterpret_cast<Flow*>(reinterpret_cast<std::byte*>(&region) + region.flowsOffset)) {}

  [[nodiscard]] static FlowRegion layoutOf(uint32_t flows);
  /// Whether every link of the lists leads to a flow or to none.
  [[nodiscard]] bool linksAreSound() const;

  void appendUnassured(uint32_t flow);
  void removeUnassured(uint32_t flow);
  [[nodiscard]] Digest128 pathKey(const FourTuple& tuple, uint16_t backendSlot) const;
  [[nodiscard]] uint32_t findFlow(const IndexTable& index, const Digest128& key, uint32_t nowMs) const;

  IndexTable byTuple_;
  IndexTable byTupleScid_;
  IndexTable byDcid_;
  IndexTable byPath_;
  FlowRegion* region_;
  SipKey key_;
  Flow* flows_;
};

}  // namespace quicproxy
