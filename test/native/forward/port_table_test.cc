#include "forward/port_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace quicproxy {
namespace {

constexpr SipKey kKey{1, 2};

FourTuple pathOf(uint16_t port) {
  FourTuple path{};
  path.remote[15] = 7;
  path.setRemotePort(4433);
  path.setLocalPort(port);
  return path;
}

/// The flow's own path is its number: what a worker reads from the flow.
uint32_t find(const PortTable& table, uint32_t flow) {
  const uint32_t hash = table.hash(pathOf(static_cast<uint16_t>(flow)));
  return table.find(hash, [flow](uint32_t candidate) { return candidate == flow; });
}

TEST(PortTable, EveryPartOfAPathCounts) {
  const PortTable table(16, kKey);
  const FourTuple path = pathOf(5);
  const auto differs = [&table, &path](auto change) {
    FourTuple other = path;
    change(other);
    return table.hash(other) != table.hash(path);
  };
  EXPECT_TRUE(differs([](FourTuple& p) { p.remote[0] = 1; }));
  EXPECT_TRUE(differs([](FourTuple& p) { p.local[15] = 1; }));
  EXPECT_TRUE(differs([](FourTuple& p) { p.remote_port++; }));
  EXPECT_TRUE(differs([](FourTuple& p) { p.local_port++; }));
}

TEST(PortTable, HoldsAsManyAsItWasMadeForAndForgetsWhatWasErased) {
  constexpr uint32_t kFlows = 1000;
  PortTable table(kFlows, kKey);
  std::map<uint32_t, bool> present;
  std::mt19937 random(1);
  for (int step = 0; step < 200000; step++) {
    const uint32_t flow = random() % kFlows;
    const uint32_t hash = table.hash(pathOf(static_cast<uint16_t>(flow)));
    ASSERT_EQ(find(table, flow) != kNoFlow, present[flow]) << "step " << step;
    if (present[flow]) {
      table.erase(hash, flow);
    } else {
      table.insert(hash, flow);
    }
    present[flow] = !present[flow];
  }
  for (uint32_t flow = 0; flow < kFlows; flow++) {
    if (!present[flow]) table.insert(table.hash(pathOf(static_cast<uint16_t>(flow))), flow);
  }
  for (uint32_t flow = 0; flow < kFlows; flow++) EXPECT_EQ(find(table, flow), flow);
}

TEST(PortTable, EqualHashesAreToldApartByTheirFlows) {
  PortTable table(8, kKey);
  const auto isFlow = [](uint32_t wanted) { return [wanted](uint32_t flow) { return flow == wanted; }; };
  // The last place of the table: what follows begins again at its start.
  constexpr uint32_t kLast = 0xffffffff;
  for (uint32_t flow = 0; flow < 5; flow++) table.insert(kLast, flow);
  table.insert(0, 5);
  table.erase(kLast, 1);
  table.erase(kLast, 1);
  for (const uint32_t flow : {0U, 2U, 3U, 4U}) EXPECT_EQ(table.find(kLast, isFlow(flow)), flow);
  EXPECT_EQ(table.find(0, isFlow(5)), 5U);
  EXPECT_EQ(table.find(kLast, isFlow(1)), kNoFlow);
}

}  // namespace
}  // namespace quicproxy
