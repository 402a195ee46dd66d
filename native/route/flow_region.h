#pragma once

#include <cstddef>
#include <cstdint>

#include "route/flow.h"
#include "route/siphash.h"

namespace quicproxy {

/// Begins the memory of a FlowTable. Everything that the table knows is in that memory, so that another process that
/// maps it can go on with it (FlowTable::attach), and fixed in width and place, so that C and BPF can read it:
///
///   [FlowRegion][IndexTable by 4-tuple][by 4-tuple + SCID][by DCID][Flow 0][Flow 1]...[FlowHistory 0]...
///
/// The one worker that owns the table writes. Offsets are in octets from the start; times are milliseconds of
/// CLOCK_MONOTONIC, the same for all processes of one boot. It holds the key of the digests: hand it to nobody else.
struct FlowRegion {
  static constexpr uint32_t kMagic = 0x4c465051;  // "QPFL"
  /// Raised whenever a layout below changes: FlowRegion, Flow, FlowHistory, FlowReference, IndexTable, FourTuple.
  static constexpr uint32_t kVersion = 2;

  uint32_t magic;
  uint32_t version;
  uint64_t totalBytes;
  uint32_t flowBytes;  ///< sizeof(Flow)
  uint32_t capacity;   ///< flows
  uint64_t byTupleOffset;
  uint64_t byTupleScidOffset;
  uint64_t byDcidOffset;
  uint64_t flowsOffset;
  uint64_t historiesOffset;
  uint64_t key0;  ///< SipHash key of all digests in the indexes
  uint64_t key1;
  uint32_t live;
  uint32_t firstFree;
  uint32_t firstEvictable;
  uint32_t lastEvictable;
  uint32_t sweepNext;
  uint8_t reserved[28];
};
static_assert(sizeof(FlowRegion) == 128);
static_assert(offsetof(FlowRegion, byTupleOffset) == 24 && offsetof(FlowRegion, live) == 80);

}  // namespace quicproxy
