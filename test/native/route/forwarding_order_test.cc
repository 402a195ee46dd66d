#include <gtest/gtest.h>

#include <random>
#include <string>

#include "routable_workers.h"

namespace quicproxy {
namespace {

/* C2, C7: the order of draft-ietf-quic-load-balancers, each class of packet against each state of the tables. */

const FourTuple kHere = tupleOf(7, 1000);
const FourTuple kMoved = tupleOf(8, 2000);
const std::vector<uint8_t> kClientCid = cidOf(0xe1);  // rotation 7: not routable
const std::vector<uint8_t> kClientScid = cidOf(0x20);
const std::vector<uint8_t> kServerCid = cidOf(0xf0);

enum class State : uint8_t { kEmpty, kUnanswered, kLearned, kLearnedElsewhere, kIdle, kBackendGone };
constexpr State kStates[] = {State::kEmpty, State::kUnanswered, State::kLearned, State::kLearnedElsewhere,
                             State::kIdle,  State::kBackendGone};

/// A proxy in which worker 0 decides next. The backend of the connection that the tables know, if they know one.
struct Prepared {
  RoutableWorkers proxy;
  uint16_t backend = kNoBackend;
  uint32_t flow = kNoFlow;
};

std::unique_ptr<Prepared> prepare(State state) {
  auto made = std::make_unique<Prepared>();
  RoutableWorkers& proxy = made->proxy;
  if (state == State::kEmpty) return made;
  const uint32_t worker = state == State::kLearnedElsewhere ? 1 : 0;
  const Decision first = proxy.send(worker, kHere, longHeader(kClientCid, kClientScid));
  made->backend = first.backendSlot;
  made->flow = first.flow;
  if (state != State::kUnanswered) proxy.reply(worker, first.flow, longHeader(kClientScid, kServerCid));
  if (state == State::kIdle) proxy.nowMs += 1000;
  if (state == State::kIdle) proxy.table(0).remove(first.flow);  // as the sweep does
  if (state == State::kBackendGone) {
    proxy.epochs()[first.backendSlot] = 0;
    proxy.table(0).remove(first.flow);
  }
  return made;
}

struct Packet {
  const char* name;
  FourTuple tuple;
  std::vector<uint8_t> octets;
  /// By state, in the order of kStates.
  Rule rules[6];
};

constexpr Rule kLb = Rule::kQuicLb;
constexpr Rule kScid = Rule::kTupleScid;
constexpr Rule kDcid = Rule::kDcid;
constexpr Rule kTuple = Rule::kTuple;
constexpr Rule kFall = Rule::kFallback;

std::vector<Packet> packets() {
  const RoutableWorkers proxy;
  const auto routable = proxy.cid(1, 2, 5);
  const std::vector<uint8_t> malformed = {0xc0, 0, 0, 0, 1, 20, 1, 2};
  return {
      {"long, routable", kHere, longHeader(routable, kClientScid), {kLb, kLb, kLb, kLb, kLb, kLb}},
      {"short, routable", kMoved, shortHeader(routable), {kLb, kLb, kLb, kLb, kLb, kLb}},
      {"long, known tuple and SCID",
       kHere,
       longHeader(cidOf(0xe9), kClientScid),
       {kFall, kScid, kScid, kTuple, kFall, kFall}},
      {"long, learned DCID, moved",
       kMoved,
       longHeader(kServerCid, cidOf(0x30)),
       {kFall, kFall, kDcid, kDcid, kFall, kFall}},
      {"long, known tuple, new SCID",
       kHere,
       longHeader(cidOf(0xe9), cidOf(0x30)),
       {kFall, kTuple, kTuple, kTuple, kFall, kFall}},
      {"long, all new", kMoved, longHeader(cidOf(0xe9), cidOf(0x30)), {kFall, kFall, kFall, kFall, kFall, kFall}},
      {"short, learned DCID", kHere, shortHeader(kServerCid), {kFall, kTuple, kDcid, kDcid, kFall, kFall}},
      {"short, learned DCID, moved", kMoved, shortHeader(kServerCid), {kFall, kFall, kDcid, kDcid, kFall, kFall}},
      {"short, unknown DCID", kHere, shortHeader(cidOf(0xe4)), {kFall, kTuple, kTuple, kTuple, kFall, kFall}},
      {"malformed, known tuple", kHere, malformed, {kFall, kTuple, kTuple, kTuple, kFall, kFall}},
      {"empty, known tuple", kHere, {}, {kFall, kTuple, kTuple, kTuple, kFall, kFall}},
      {"empty, moved", kMoved, {}, {kFall, kFall, kFall, kFall, kFall, kFall}},
  };
}

TEST(ForwardingOrder, C2_EveryPacketClassMeetsEveryTableState) {
  for (const Packet& packet : packets()) {
    for (size_t state = 0; state < std::size(kStates); state++) {
      SCOPED_TRACE(std::string(packet.name) + ", state " + std::to_string(state));
      const auto prepared = prepare(kStates[state]);
      const Decision decision = prepared->proxy.decide(0, packet.tuple, packet.octets);
      EXPECT_EQ(decision.rule, packet.rules[state]);
      const bool byTables = decision.rule != kLb && decision.rule != kFall;
      if (decision.rule == kLb) {
        EXPECT_EQ(decision.backendSlot, 2);
      }
      if (byTables) {
        EXPECT_EQ(decision.backendSlot, prepared->backend);
      }
      // A routable ID needs no other worker, but borrows the port of a flow that one has.
      if (decision.rule != kLb) {
        EXPECT_EQ(decision.foundElsewhere, byTables && kStates[state] == State::kLearnedElsewhere);
      }
      const bool moved = (decision.rule == kDcid || (decision.rule == kLb && decision.form == HeaderForm::kShort)) &&
                         packet.tuple == kMoved && decision.flow == kNoFlow;
      EXPECT_EQ(decision.readdressed, moved);
      const bool ownPath = byTables && packet.tuple == kHere && kStates[state] != State::kLearnedElsewhere;
      EXPECT_EQ(decision.flow, ownPath ? prepared->flow : decision.rule == kLb ? decision.flow : kNoFlow);
    }
  }
}

TEST(ForwardingOrder, C2_DecidingChangesNothing) {
  for (const State state : kStates) {
    const auto prepared = prepare(state);
    RoutableWorkers& proxy = prepared->proxy;
    const auto occupied = [&] {
      return std::vector<uint64_t>{proxy.table(0).liveCount(), proxy.table(0).byDcid().occupied(),
                                   proxy.table(0).byTupleScid().occupied(), proxy.table(1).liveCount(),
                                   proxy.table(1).byDcid().occupied()};
    };
    const auto before = occupied();
    for (const Packet& packet : packets()) static_cast<void>(proxy.decide(0, packet.tuple, packet.octets));
    EXPECT_EQ(occupied(), before);
  }
}

TEST(ForwardingOrder, C7_AnyVersionAndAnyIdLengthIsForwarded) {
  std::mt19937 random(7);
  RoutableWorkers proxy(4096);
  uint16_t port = 1;
  for (size_t length = 0; length <= 255; length++) {
    const uint32_t versions[] = {1, 0x6b3343cf, 0x0a0a0a0a | (uint32_t(random()) & 0xf0f0f0f0), uint32_t(random()) | 1};
    for (const uint32_t version : versions) {
      const std::vector<uint8_t> dcid(length, 0xee);
      const std::vector<uint8_t> scid(255 - length, static_cast<uint8_t>(length));
      auto datagram = longHeader(dcid, scid, version);
      datagram[0] = static_cast<uint8_t>(0x80 | random());  // only the form bit is invariant
      const FourTuple tuple = tupleOf(9, port++);
      const Decision first = proxy.send(0, tuple, datagram);
      ASSERT_EQ(first.form, HeaderForm::kLong);
      ASSERT_NE(first.rule, Rule::kNone);
      const Decision again = proxy.send(0, tuple, datagram);
      ASSERT_EQ(again.flow, first.flow);
    }
  }
}

}  // namespace
}  // namespace quicproxy
