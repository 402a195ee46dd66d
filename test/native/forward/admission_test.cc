#include "forward/admission.h"

#include <gtest/gtest.h>

namespace quicproxy {
namespace {

constexpr Room kRoom{.strangers = true,
                     .movers = true,
                     .tableFull = false,
                     .upstreamAtBound = false,
                     .evictable = false,
                     .canBorrow = true};

Admission verdict(Room room, bool known = false, bool hasOwner = false, Rule rule = Rule::kFallback) {
  return admissionOf(rule, known, hasOwner, room);
}

TEST(Admission, OpensWhereThereIsRoom) {
  EXPECT_EQ(verdict(kRoom), Admission::kOpen);
  EXPECT_EQ(verdict(kRoom, true), Admission::kOpenKnown);
  EXPECT_EQ(verdict(kRoom, true, true), Admission::kBorrow);
  EXPECT_EQ(verdict(kRoom, false, false, Rule::kNone), Admission::kNobodyTakes);
}

TEST(Admission, AFloodOfStrangersTakesNothingFromConnectionsThatMove) {
  Room room = kRoom;
  room.strangers = false;
  EXPECT_EQ(verdict(room), Admission::kOverBudget);
  EXPECT_EQ(verdict(room, true), Admission::kOpenKnown);
  room.movers = false;
  EXPECT_EQ(verdict(room, true), Admission::kOverBudget);
  EXPECT_EQ(verdict(room, true, true), Admission::kBorrow) << "a change of workers is nobody's move";
}

TEST(Admission, WhatIsFullRefusesOnlyWhereNobodyGivesWay) {
  for (const bool table : {true, false}) {
    Room room = kRoom;
    (table ? room.tableFull : room.upstreamAtBound) = true;
    EXPECT_EQ(verdict(room), table ? Admission::kTableFull : Admission::kUpstreamFull);
    room.evictable = true;
    EXPECT_EQ(verdict(room), Admission::kOpen);
  }
}

TEST(Admission, ALevelThatCannotBorrowOpens) {
  Room room = kRoom;
  room.canBorrow = false;
  EXPECT_EQ(verdict(room, true, true), Admission::kOpenKnown);
}

TEST(Admission, EachRefusalHasItsCounter) {
  EXPECT_EQ(refusalCounter(Admission::kOverBudget), Counter::route_dropped_budget);
  EXPECT_EQ(refusalCounter(Admission::kTableFull), Counter::route_dropped_table_full);
  EXPECT_EQ(refusalCounter(Admission::kUpstreamFull), Counter::route_dropped_no_socket);
  EXPECT_EQ(refusalCounter(Admission::kNobodyTakes), Counter::route_dropped_no_backend);
}

}  // namespace
}  // namespace quicproxy
