// Cost of each step that routing takes per datagram, in nanoseconds: min, median and max of interleaved rounds.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "route/index_table.h"
#include "route/invariants.h"
#include "route/maglev.h"
#include "route/siphash.h"
#include "route_packets.h"

namespace quicproxy {
namespace {

constexpr int kRounds = 7;
constexpr uint32_t kCallsPerRound = 200'000;
constexpr uint32_t kDatagrams = 256;
constexpr uint32_t kIdleMs = 120'000;
constexpr SipKey kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};

/// Keeps the compiler from dropping a result.
volatile uint64_t sink;

struct Step {
  std::string name;
  std::function<uint64_t(uint32_t calls)> run;
  std::vector<double> nanoseconds;
};

void measure(Step& step) {
  const auto start = std::chrono::steady_clock::now();
  sink = step.run(kCallsPerRound);
  const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - start;
  step.nanoseconds.push_back(taken.count() / kCallsPerRound);
}

Digest128 keyOf(uint64_t n) { return sipHash128(kKey, {reinterpret_cast<const uint8_t*>(&n), sizeof n}); }

/// Each call hashes what the call before left behind, so latency is measured and not throughput.
void addHashes(std::vector<Step>& steps) {
  for (const size_t size : {8, 20, 40}) {
    const auto name = [&](const char* what) { return std::string(what) + ", " + std::to_string(size) + " octets"; };
    steps.push_back({name("sipHash64"),
                     [size](uint32_t calls) {
                       std::array<uint8_t, 40> input{};
                       uint64_t digest = 0;
                       for (uint32_t i = 0; i < calls; ++i) {
                         std::memcpy(input.data(), &digest, sizeof digest);
                         digest = sipHash64(kKey, std::span(input).first(size));
                       }
                       return digest;
                     },
                     {}});
    steps.push_back({name("sipHash128"),
                     [size](uint32_t calls) {
                       std::array<uint8_t, 40> input{};
                       Digest128 digest;
                       for (uint32_t i = 0; i < calls; ++i) {
                         std::memcpy(input.data(), &digest.high, sizeof digest.high);
                         digest = sipHash128(kKey, std::span(input).first(size));
                       }
                       return digest.low;
                     },
                     {}});
  }
}

void addParse(std::vector<Step>& steps) {
  for (const bool isLong : {true, false}) {
    steps.push_back({isLong ? "parse long header" : "parse short header, CID of 8",
                     [isLong](uint32_t calls) {
                       // Many datagrams of different CID lengths: a branch predictor must not learn one.
                       std::vector<std::array<uint8_t, 64>> datagrams(kDatagrams);
                       for (size_t i = 0; i < datagrams.size(); ++i) {
                         datagrams[i] = {static_cast<uint8_t>(isLong ? 0xc0 : 0x40), 0, 0, 0, 1};
                         datagrams[i][5] = static_cast<uint8_t>(i % 21);
                         datagrams[i][6 + i % 21] = static_cast<uint8_t>(i % 19);
                       }
                       uint64_t sum = 0;
                       for (uint32_t i = 0; i < calls; ++i) {
                         const std::span<const uint8_t> datagram = datagrams[i % kDatagrams];
                         const Invariants seen = Invariants::parse(datagram);
                         sum += seen.dcid.size() + seen.version;
                         if (seen.form == HeaderForm::kShort) sum += (*shortHeaderDcid(datagram, 8))[0];
                       }
                       return sum;
                     },
                     {}});
  }
}

std::vector<MaglevBackend> fleetOf(uint32_t count) {
  std::vector<MaglevBackend> fleet;
  for (uint32_t n = 0; n < count; ++n) {
    fleet.push_back({.weight = 1, .slot = static_cast<uint16_t>(n)});
    std::memcpy(fleet.back().id.data(), &n, sizeof n);
  }
  return fleet;
}

/// A Connection ID waits for the server ID of the one before, as in a chain: latency, not throughput.
void addDecoding(std::vector<Step>& steps) {
  struct Case {
    const char* name;
    uint8_t serverIdLength;
    uint8_t nonceLength;
    bool encrypted;
  };
  for (const Case& layout :
       {Case{"quic_lb decode, plain text 8 + 8", 8, 8, false}, Case{"quic_lb decode, single pass 8 + 8", 8, 8, true},
        Case{"quic_lb decode, four passes 10 + 5", 10, 5, true}}) {
    const QuicLbConfig config(layout.serverIdLength, layout.nonceLength, layout.encrypted ? kVectorKey : nullptr);
    steps.push_back({layout.name,
                     [config](uint32_t calls) {
                       // As in a datagram: more octets follow.
                       std::array<std::array<uint8_t, 64>, kDatagrams> datagrams{};
                       for (size_t i = 0; i < kDatagrams; ++i) datagrams[i].fill(static_cast<uint8_t>(i));
                       uint64_t sum = 0;
                       for (uint32_t i = 0; i < calls; ++i) {
                         sum += config.decode(datagrams[(i + (sum >> 63)) % kDatagrams]).octets[0];
                       }
                       return sum;
                     },
                     {}});
  }
}

constexpr uint32_t kPacketsOfAKind = 1024;

void addDecisions(std::vector<Step>& steps) {
  const auto proxy = std::make_shared<BusyProxy>();
  for (const PacketKind& kind : packetKinds()) {
    const auto packets = std::make_shared<std::vector<BusyProxy::Packet>>();
    for (uint32_t n = 0; n < kPacketsOfAKind; ++n) packets->push_back(kind.make(*proxy, n));
    steps.push_back({kind.name,
                     [proxy, packets](uint32_t calls) {
                       uint64_t sum = 0;
                       for (uint32_t i = 0; i < calls; ++i) {
                         sum += proxy->decide((*packets)[i % kPacketsOfAKind]).backendSlot;
                       }
                       return sum;
                     },
                     {}});
  }
}

/// S9: what the most expensive packet costs, in packets of the usual kind.
void reportWorstPacket(const std::vector<Step>& steps) {
  std::vector<std::pair<double, std::string>> costs;
  for (const Step& step : steps) {
    if (step.name.starts_with("decide: ")) costs.emplace_back(step.nanoseconds[step.nanoseconds.size() / 2], step.name);
  }
  std::sort(costs.begin(), costs.end());
  const double median = costs[costs.size() / 2].first;
  const auto& [most, worst] = costs.back();
  std::printf("\nS9: %s costs %.0f ns more than the median kind, %.1f times as much to route\n", worst.c_str(),
              most - median, most / median);
}

void addMaglev(std::vector<Step>& steps) {
  for (const uint32_t count : {100u, 10'000u}) {
    const auto table = std::make_shared<MaglevTable>(MaglevTable::build(kKey, fleetOf(count)));
    steps.push_back({"maglev lookup, " + std::to_string(count) + " backends",
                     [table](uint32_t calls) {
                       uint64_t hash = 1;
                       for (uint32_t i = 0; i < calls; ++i) hash = hash * 0x9e3779b97f4a7c15 + table->lookup(hash);
                       return hash;
                     },
                     {}});
  }
}

struct TableOnHeap {
  TableOnHeap(uint32_t places, uint32_t entries)
      : bytes(IndexTable::bytesFor(places)),
        memory(static_cast<std::byte*>(::operator new(bytes, std::align_val_t{IndexTable::kAlignment}))),
        table(*IndexTable::create({memory, bytes}, places)) {
    for (uint64_t n = 0; n < entries; ++n) table.insert(keyOf(n), n, 0, kIdleMs);
  }
  ~TableOnHeap() { ::operator delete(memory, std::align_val_t{IndexTable::kAlignment}); }
  TableOnHeap(const TableOnHeap&) = delete;
  TableOnHeap& operator=(const TableOnHeap&) = delete;

  size_t bytes;
  std::byte* memory;
  IndexTable table;
};

/// Keys in random order, drawn outside the measured loop.
std::vector<Digest128> keysBetween(uint64_t from, uint64_t to) {
  std::mt19937_64 random(5);
  std::vector<Digest128> keys(kCallsPerRound);
  for (Digest128& key : keys) key = keyOf(from + random() % (to - from));
  return keys;
}

template <typename Find>
uint64_t chase(const std::vector<Digest128>& keys, uint32_t calls, const Find& find) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < calls; ++i) {
    // The next key waits for this answer (values are below 2^63), as the next step of a datagram does.
    const Digest128 key{keys[i].low ^ (sum >> 63), keys[i].high};
    sum += find(key);
  }
  return sum;
}

void addTable(std::vector<Step>& steps, uint32_t entries) {
  const auto held = std::make_shared<TableOnHeap>(2 * entries, entries);
  const auto hits = std::make_shared<std::vector<Digest128>>(keysBetween(0, entries));
  const auto misses = std::make_shared<std::vector<Digest128>>(keysBetween(uint64_t{1} << 40, uint64_t{1} << 41));
  const std::string of = ", " + std::to_string(entries) + " entries";
  const auto own = [held](Digest128 key) {
    const auto found = held->table.find(key, 0, kIdleMs);
    return found ? found->value : 0;
  };
  const auto foreign = [held](Digest128 key) { return held->table.findForeign(key, 0, kIdleMs).value_or(0); };
  steps.push_back({"index find hit" + of, [=](uint32_t calls) { return chase(*hits, calls, own); }, {}});
  steps.push_back({"index find miss" + of, [=](uint32_t calls) { return chase(*misses, calls, own); }, {}});
  steps.push_back({"index foreign hit" + of, [=](uint32_t calls) { return chase(*hits, calls, foreign); }, {}});
  steps.push_back({"index hit, batch of 64 prefetched" + of,
                   [=](uint32_t calls) {
                     uint64_t sum = 0;
                     for (uint32_t at = 0; at + 64 <= calls; at += 64) {
                       for (uint32_t i = at; i < at + 64; ++i) held->table.prefetch((*hits)[i]);
                       for (uint32_t i = at; i < at + 64; ++i) sum += own((*hits)[i]);
                     }
                     return sum;
                   },
                   {}});
}

void addYardstick(std::vector<Step>& steps) {
  steps.push_back({"yardstick: memcpy of 1200 octets",
                   [](uint32_t calls) {
                     std::vector<uint8_t> from(size_t{1200} * 64);
                     std::vector<uint8_t> to(size_t{1200} * 64);
                     for (uint32_t i = 0; i < calls; ++i) {
                       std::memcpy(to.data() + size_t{i % 64} * 1200, from.data() + size_t{(i + 7) % 64} * 1200, 1200);
                       sink = to[size_t{i % 64} * 1200];
                     }
                     return uint64_t{to[0]};
                   },
                   {}});
}

void reportBuilds() {
  for (const uint32_t count : {100u, 655u, 10'000u}) {
    for (const bool isEqual : {true, false}) {
      std::vector<MaglevBackend> fleet = fleetOf(count);
      for (MaglevBackend& backend : fleet) backend.weight = isEqual ? 1 : backend.slot + 1;
      const auto start = std::chrono::steady_clock::now();
      sink = MaglevTable::build(kKey, fleet).lookup(1);
      const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
      std::printf("maglev build, %5u backends, %s weights: %.1f ms\n", count, isEqual ? "equal" : "distinct",
                  taken.count());
    }
  }
}

void reportFirstRefusal(uint32_t places) {
  TableOnHeap held(places, 0);
  uint64_t n = 0;
  while (held.table.insert(keyOf(n), n, 0, kIdleMs).outcome != IndexTable::Outcome::kFull) ++n;
  std::printf("index table of %u places: first refusal at %.1f %% load\n\n", held.table.capacity(),
              100.0 * static_cast<double>(n) / held.table.capacity());
}

void report(std::vector<Step>& steps) {
  std::printf("%-48s %8s %8s %8s  ns per call, %d rounds\n", "step", "min", "median", "max", kRounds);
  for (Step& step : steps) {
    std::sort(step.nanoseconds.begin(), step.nanoseconds.end());
    std::printf("%-48s %8.1f %8.1f %8.1f\n", step.name.c_str(), step.nanoseconds.front(),
                step.nanoseconds[step.nanoseconds.size() / 2], step.nanoseconds.back());
  }
}

}  // namespace
}  // namespace quicproxy

int main() {
  quicproxy::reportBuilds();
  quicproxy::reportFirstRefusal(1U << 20);
  std::vector<quicproxy::Step> steps;
  quicproxy::addHashes(steps);
  quicproxy::addParse(steps);
  quicproxy::addDecoding(steps);
  quicproxy::addDecisions(steps);
  quicproxy::addMaglev(steps);
  quicproxy::addTable(steps, 1'000);
  quicproxy::addTable(steps, 1'000'000);
  quicproxy::addYardstick(steps);
  for (int round = 0; round < quicproxy::kRounds; ++round) {
    for (quicproxy::Step& step : steps) quicproxy::measure(step);
  }
  quicproxy::report(steps);
  quicproxy::reportWorstPacket(steps);
  return 0;
}
