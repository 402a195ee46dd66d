#include "route/path_proof.h"

#include <gtest/gtest.h>

#include "routing_fixture.h"

namespace quicproxy {
namespace {

struct Path {
  explicit Path(bool moved = false) {
    path_proof::begin(history, nowMs);
    if (moved) path_proof::move(flow, history);
  }
  Progress roundTrip(size_t bytes = 40) {
    flow.set(kFlowReturnedTo);
    return path_proof::clientSent(flow, history, bytes, nowMs);
  }
  Flow flow{};
  FlowHistory history{};
  uint32_t nowMs = 0xffffff00;  // soon round
};

TEST(PathProof, GoingOnAfterAnswersOverSecondsIsTheWeakerSign) {
  Path path;
  EXPECT_EQ(path_proof::clientSent(path.flow, path.history, 40, path.nowMs), Progress::kNone) << "no answer yet";
  EXPECT_EQ(path.roundTrip(), Progress::kRound);
  for (int i = 0; i < 100; i++) EXPECT_EQ(path.roundTrip(), Progress::kNone) << "all in one moment";
  path.nowMs += kRoundMs;
  EXPECT_EQ(path.roundTrip(), Progress::kRound);
  path.nowMs += kRoundMs;
  EXPECT_EQ(path.roundTrip(), Progress::kRound);
  path.nowMs += kRoundMs;
  EXPECT_EQ(path.roundTrip(), Progress::kProven);
}

TEST(PathProof, WhoWasShownAnIdHasToUseIt) {
  Path path;
  path.history.vouched = 7;
  for (int i = 0; i < 20; i++) {
    path.nowMs += kRoundMs;
    EXPECT_EQ(path.roundTrip(), Progress::kRound) << "it gives way, if not at once";
  }
  EXPECT_EQ(path_proof::idleMs(path.flow, 120'000), 120'000U) << "and is kept as long";
}

TEST(PathProof, AServerThatSendsMoreThanThreeTimesWhatCameHasValidatedTheAddress) {
  Path path;
  path_proof::clientSent(path.flow, path.history, 1200, path.nowMs);
  EXPECT_FALSE(path_proof::backendTrusts(path.flow, path.history, 60'000)) << "it may be no QUIC server";
  path.history.vouched = 7;
  path_proof::clientSent(path.flow, path.history, 1200, path.nowMs);
  for (int i = 0; i < 9; i++) EXPECT_FALSE(path_proof::backendTrusts(path.flow, path.history, 1200));
  EXPECT_TRUE(path_proof::backendTrusts(path.flow, path.history, 1200));
  path.flow.set(kFlowIdPending);
  EXPECT_FALSE(path_proof::backendTrusts(path.flow, path.history, 1200)) << "its client has shown nothing";
}

TEST(PathProof, StrangersWhoAreAnsweredDatagramByDatagramAreNeverTrusted) {
  Path path;
  path.history.vouched = 7;
  for (int i = 0; i < 1000; i++) {
    path_proof::clientSent(path.flow, path.history, 1200, path.nowMs);
    for (int answer = 0; answer < 3; answer++) {
      EXPECT_FALSE(path_proof::backendTrusts(path.flow, path.history, 1200));
    }
  }
}

TEST(PathProof, ABlindDatagramOnAMovedPathGetsABoundedAnswer) {
  Path path(true);
  path_proof::clientSent(path.flow, path.history, 40, path.nowMs);
  size_t returned = 0;
  for (int i = 0; i < 1000 && path_proof::mayReturn(path.flow, path.history, 1200); i++) returned += 1200;
  EXPECT_LE(returned, 3 * 40 + size_t{kPathAllowance});
  for (int i = 0; i < 1000; i++) path_proof::clientSent(path.flow, path.history, 0, path.nowMs);
  EXPECT_TRUE(path.flow.is(kFlowMoved)) << "nothing was returned in between";
}

TEST(PathProof, AMovedPathIsSettledAfterARoundTrip) {
  Path path(true);
  path_proof::clientSent(path.flow, path.history, 40, path.nowMs);
  EXPECT_TRUE(path.flow.is(kFlowMoved));
  path.roundTrip(40);
  EXPECT_FALSE(path.flow.is(kFlowMoved));
  EXPECT_TRUE(path_proof::mayReturn(path.flow, path.history, 60'000));
}

/// Each round trip leaves room for one more, however much the backend would send.
TEST(PathProof, AGreedyBackendDoesNotKeepAPathFromSettling) {
  Path path(true);
  path_proof::clientSent(path.flow, path.history, 40, path.nowMs);
  for (int round = 0; round < kMovedPathRounds; round++) {
    uint32_t returned = 0;
    while (path_proof::mayReturn(path.flow, path.history, 1200)) returned++;
    EXPECT_GE(returned, 1U) << "round " << round;
    path.roundTrip(40);
  }
  EXPECT_FALSE(path.flow.is(kFlowMoved));
}

TEST(PathProof, TheAllowanceDoesNotOverflow) {
  Path path(true);
  for (int i = 0; i < 100; i++) path_proof::clientSent(path.flow, path.history, 65'507, path.nowMs);
  EXPECT_TRUE(path_proof::mayReturn(path.flow, path.history, 65'507));
  EXPECT_FALSE(path_proof::mayReturn(path.flow, path.history, 65'507));
}

TEST(PathProof, FlowsThatNobodyConfirmedEndSooner) {
  Flow flow{};
  EXPECT_EQ(path_proof::idleMs(flow, 120'000), kUnconfirmedIdleMs);
  EXPECT_EQ(path_proof::idleMs(flow, 5'000), 5'000U);
  flow.set(kFlowConfirmed);
  EXPECT_EQ(path_proof::idleMs(flow, 120'000), 120'000U);
}

}  // namespace
}  // namespace quicproxy
