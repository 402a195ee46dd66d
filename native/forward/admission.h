#pragma once

#include <cstdint>

#include "abi/counters.h"
#include "route/router.h"

namespace quicproxy {

/// What becomes of a datagram that has no flow in its worker.
enum class Admission : uint8_t {
  kBorrow,        ///< it sends from the port of another worker's flow: costs no budget and no port
  kOpen,          ///< a new flow of a stranger
  kOpenKnown,     ///< a new flow of a known connection: it moved, or its worker changed
  kNobodyTakes,   ///< no backend takes new connections
  kOverBudget,    ///< too many new flows of its kind in this second
  kTableFull,     ///< every flow is confirmed
  kUpstreamFull,  ///< every socket or port is a confirmed flow's
};

/// What there is room for. `evictable`: some flow that is not confirmed would give way.
struct Room {
  bool strangers;
  bool movers;
  bool tableFull;
  bool upstreamAtBound;
  bool evictable;
  bool canBorrow;
};

/// Pure: the same arguments, the same verdict. Where the table or the upstream is full and the verdict is to open, a
/// flow has to give way first.
[[nodiscard]] constexpr Admission admissionOf(Rule rule, bool known, bool hasOwner, const Room& room) {
  if (rule == Rule::kNone) return Admission::kNobodyTakes;
  // Before the sockets: their bound is never above the number of flows, and the remedies differ.
  if (room.tableFull && !room.evictable) return Admission::kTableFull;
  if (hasOwner && room.canBorrow) return Admission::kBorrow;
  if (known ? !room.movers : !room.strangers) return Admission::kOverBudget;
  if (room.upstreamAtBound && !room.evictable) return Admission::kUpstreamFull;
  return known ? Admission::kOpenKnown : Admission::kOpen;
}

/// Of the admissions that are refusals.
[[nodiscard]] constexpr Counter refusalCounter(Admission admission) {
  switch (admission) {
    case Admission::kOverBudget:
      return Counter::route_dropped_budget;
    case Admission::kTableFull:
      return Counter::route_dropped_table_full;
    case Admission::kUpstreamFull:
      return Counter::route_dropped_no_socket;
    default:
      return Counter::route_dropped_no_backend;
  }
}

}  // namespace quicproxy
