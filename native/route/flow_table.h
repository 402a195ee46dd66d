#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "route/flow.h"
#include "route/flow_region.h"
#include "route/index_table.h"
#include "route/path_proof.h"
#include "route/siphash.h"

namespace quicproxy {

/// One worker's flows and the three indexes over them, in memory handed in from outside, laid out as FlowRegion says.
///
/// The worker writes; other workers only read byDcid, the index by 4-tuple and the ways of flows, and touch flows whose
/// ports they borrow. Entries by 4-tuple end with their flow; those by Connection ID have an idle time of their own, so
/// that a connection may outlive the path it began on.
///
/// A 4-tuple may have flows to several backends. The index names the first of them, to which goes what tells no better;
/// the others follow as its siblings.
class FlowTable {
 public:
  /// Of one 4-tuple: a client's socket may carry connections to several backends.
  static constexpr uint32_t kMaxSiblings = 16;
  /// A flow that has been silent for so long is no longer the first of its 4-tuple by right: NATs give a client's port
  /// to another one.
  static constexpr uint32_t kFirstStaleMs = 30'000;

  /// Flows for which `memoryBytes` suffice: about 251 bytes each, of which 128 are the flow and its history.
  [[nodiscard]] static uint32_t flowsFor(uint64_t memoryBytes);
  [[nodiscard]] static size_t bytesFor(uint32_t flows);

  /// None when the memory is too small or not aligned to IndexTable::kAlignment.
  [[nodiscard]] static std::optional<FlowTable> create(std::span<std::byte> memory, uint32_t flows, SipKey key);

  /// Finds the table that another thread or process laid into `memory`, with all that is in it. None if it is not one
  /// of this version, or says of itself what cannot be. Its writer must have stopped.
  [[nodiscard]] static std::optional<FlowTable> attach(std::span<std::byte> memory);

  [[nodiscard]] Flow& at(uint32_t flow) { return flows_[flow]; }
  [[nodiscard]] const Flow& at(uint32_t flow) const { return flows_[flow]; }
  [[nodiscard]] FlowHistory& historyOf(uint32_t flow) { return histories_[flow]; }
  [[nodiscard]] const FlowHistory& historyOf(uint32_t flow) const { return histories_[flow]; }
  [[nodiscard]] uint32_t capacity() const { return region_->capacity; }
  [[nodiscard]] uint32_t liveCount() const { return region_->live; }
  [[nodiscard]] bool full() const { return region_->firstFree == kNoFlow; }

  [[nodiscard]] Digest128 tupleKey(const FourTuple& tuple) const;
  [[nodiscard]] Digest128 tupleScidKey(const FourTuple& tuple, std::span<const uint8_t> scid) const;
  [[nodiscard]] Digest128 cidKey(std::span<const uint8_t> cid) const { return sipHash128(key_, cid); }

  /// The first flow of the tuple, to whatever backend; kNoFlow if none.
  [[nodiscard]] uint32_t findByTuple(const Digest128& tupleKey) const;
  /// The flow of this tuple to this backend; kNoFlow if none.
  [[nodiscard]] uint32_t findByPath(const FourTuple& tuple, uint16_t backendSlot) const;

  /// What a new flow is made of.
  struct NewFlow {
    const FourTuple& tuple;
    uint16_t backendSlot;
    uint8_t backendEpoch;
    uint8_t endpoint;
    bool moved = false;       ///< a known connection that comes from here for the first time
    uint32_t cidLengths = 0;  ///< where the lengths of its backend's IDs are known
  };
  /// kNoFlow when there is no room, neither in the table nor among the tuple's siblings. What can be forged takes
  /// nothing from a flow that is confirmed: the new one comes behind it.
  uint32_t create(const NewFlow& flow, uint32_t nowMs);
  /// Makes a flow the first one of its tuple, unless the present one has a better right.
  void promote(uint32_t flow, uint32_t nowMs);
  /// Its Connection IDs stay until they are idle or their places are needed: the connection may live on by another
  /// path.
  void remove(uint32_t flow);

  /// The client has shown that it receives: the flow will not be evicted any more.
  void confirm(uint32_t flow, uint32_t nowMs);
  /// The flow has made progress: others go before it.
  void makeYoungest(uint32_t flow);
  /// Of the tuple's flows one that nobody has confirmed, the last one; kNoFlow if there is none.
  [[nodiscard]] uint32_t evictableSibling(const FourTuple& tuple) const;
  /// The flow that has to go first under pressure: of those whose client has shown nothing, the one that made no
  /// progress for longest; kNoFlow if there is none.
  [[nodiscard]] uint32_t oldestEvictable() const { return region_->firstEvictable; }

  /// Looks at the next `count` flows and calls onIdle(flow index) for each that was idle for idleMs(flow).
  template <typename IdleMs, typename OnIdle>
  void sweepFlows(uint32_t count, uint32_t nowMs, IdleMs&& idleMs, OnIdle&& onIdle) {
    for (uint32_t left = count < capacity() ? count : capacity(); left > 0; left--) {
      const uint32_t index = region_->sweepNext;
      region_->sweepNext = index + 1 == capacity() ? 0 : index + 1;
      const Flow& flow = flows_[index];
      if (!flow.is(kFlowLive)) continue;
      if (static_cast<int32_t>(nowMs - flow.seenAtMs()) >= static_cast<int32_t>(idleMs(flow))) onIdle(index);
    }
  }
  /// Frees idle Connection ID entries, a bounded part of the tables at a time.
  void sweepCids(uint32_t count, uint32_t nowMs, uint32_t idleMs);

  [[nodiscard]] FlowReference referenceTo(uint32_t flow) const;
  /// Whether the flow that a reference names is still the same one.
  [[nodiscard]] bool isLive(const FlowReference& reference) const;

  // Any worker's thread:

  /// The first flow of the tuple.
  [[nodiscard]] std::optional<FlowReference> findForeignByTuple(const Digest128& tupleKey, uint32_t nowMs) const;
  /// Starts to load what findForeignByTuple will read.
  void prefetchByTuple(const Digest128& tupleKey) const { byTuple_.prefetch(tupleKey); }
  /// How the flow sends, if it is still the one that the reference names and has a port to lend.
  [[nodiscard]] std::optional<FlowWay> wayOf(const FlowReference& reference) const;
  /// Keeps a flow whose port is borrowed from being idle.
  void keepAlive(uint32_t flow, uint32_t nowMs) const;
  void note(uint32_t flow, FlowNote note) const;

  // The owner:

  /// Tells other workers how the flow sends. After its upstream was opened, and when something of that changed.
  void publish(uint32_t flow);
  /// A flow that has borrowed its port borrows it no more.
  void ownPort(uint32_t flow);
  /// Whether another worker noted this.
  [[nodiscard]] bool hasNote(uint32_t flow, FlowNote note) const;

  [[nodiscard]] IndexTable& byTupleScid() { return byTupleScid_; }
  [[nodiscard]] IndexTable& byDcid() { return byDcid_; }
  [[nodiscard]] const IndexTable& byDcid() const { return byDcid_; }

 private:
  struct Indexes {
    IndexTable byTuple;
    IndexTable byTupleScid;
    IndexTable byDcid;
  };
  FlowTable(FlowRegion& region, const Indexes& indexes)
      : byTuple_(indexes.byTuple),
        byTupleScid_(indexes.byTupleScid),
        byDcid_(indexes.byDcid),
        region_(&region),
        key_{region.key0, region.key1},
        flows_(reinterpret_cast<Flow*>(reinterpret_cast<std::byte*>(&region) + region.flowsOffset)),
        histories_(reinterpret_cast<FlowHistory*>(reinterpret_cast<std::byte*>(&region) + region.historiesOffset)) {}

  [[nodiscard]] static FlowRegion layoutOf(uint32_t flows);
  /// Whether every link of the lists leads to a flow or to none.
  [[nodiscard]] bool linksAreSound() const;

  bool placeAmongSiblings(uint32_t flow, bool moved, uint32_t nowMs);
  void leaveSiblings(uint32_t flow);
  [[nodiscard]] bool yieldsTo(const Flow& first, const Flow& next, bool moved, uint32_t nowMs) const;
  void appendEvictable(uint32_t flow);
  void removeEvictable(uint32_t flow);

  IndexTable byTuple_;
  IndexTable byTupleScid_;
  IndexTable byDcid_;
  FlowRegion* region_;
  SipKey key_;
  Flow* flows_;
  FlowHistory* histories_;
};

}  // namespace quicproxy
