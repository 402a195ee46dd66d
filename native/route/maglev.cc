#include "route/maglev.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace quicproxy {

namespace {

constexpr size_t kEntriesPerBackend = 100;

/// The first prime above each power of two from 2^16 on.
constexpr std::array<uint32_t, 6> kSizes = {65537, 131101, 262147, 524309, 1048583, 2097169};
static_assert(kSizes.back() >= kEntriesPerBackend * kMaxBackends);

/// A backend's walk over the table.
struct Walk {
  uint32_t position;
  uint32_t skip;
  uint32_t rank;
  uint16_t slot;

  /// The next entry on the walk that nobody has, which is marked as taken.
  void take(std::vector<uint16_t>& entries) {
    const auto size = static_cast<uint32_t>(entries.size());
    while (entries[position] != MaglevTable::kNoBackend) {
      position += skip;
      if (position >= size) position -= size;
    }
    entries[position] = slot;
  }
};

/// Backends of one weight take their turns one after the other by rank, so only the groups need a heap.
struct Group {
  uint32_t weight = 0;
  uint32_t turns = 0;  ///< that each of `walks` before `next` has one more of; the next is due at turns / weight
  size_t next = 0;
  std::vector<Walk> walks;

  void turn(std::vector<uint16_t>& entries) {
    walks[next].take(entries);
    if (++next < walks.size()) return;
    next = 0;
    ++turns;
  }
};

/// Heap order. Cross-multiplied, so exact: turns < 2^22 and weight < 2^32.
bool isDueLater(const Group& a, const Group& b) {
  const uint64_t dueA = uint64_t{a.turns} * b.weight;
  const uint64_t dueB = uint64_t{b.turns} * a.weight;
  return dueA != dueB ? dueA > dueB : a.walks[a.next].rank > b.walks[b.next].rank;
}

struct Draw {
  Digest128 digest;
  MaglevBackend backend;
};

/// Ranked by digest: neither the order of the input nor an address alone decides who takes the first turn of a round.
std::vector<Draw> drawRanks(const SipKey& key, std::span<const MaglevBackend> backends) {
  std::vector<Draw> draws;
  draws.reserve(backends.size());
  for (const MaglevBackend& backend : backends) {
    if (backend.weight > 0) draws.push_back({sipHash128(key, backend.id), backend});
  }
  std::sort(draws.begin(), draws.end(), [](const Draw& a, const Draw& b) {
    return std::tie(a.digest.low, a.digest.high, a.backend.id, a.backend.slot) <
           std::tie(b.digest.low, b.digest.high, b.backend.id, b.backend.slot);
  });
  return draws;
}

std::vector<Group> startGroups(const std::vector<Draw>& draws, uint32_t size) {
  std::map<uint32_t, Group> byWeight;
  for (uint32_t rank = 0; rank < draws.size(); ++rank) {
    const auto& [digest, backend] = draws[rank];
    Group& group = byWeight[backend.weight];
    group.weight = backend.weight;
    group.walks.push_back({.position = static_cast<uint32_t>(digest.low % size),
                           .skip = static_cast<uint32_t>(digest.high % (size - 1) + 1),
                           .rank = rank,
                           .slot = backend.slot});
  }
  std::vector<Group> groups;
  groups.reserve(byWeight.size());
  for (auto& [weight, group] : byWeight) groups.push_back(std::move(group));
  std::make_heap(groups.begin(), groups.end(), isDueLater);
  return groups;
}

}  // namespace

BackendId backendIdOf(const BackendRecord& record) {
  BackendId id{};
  if (record.family == 4) {
    id[10] = 0xff;
    id[11] = 0xff;
    std::copy_n(record.address, 4, id.begin() + 12);
  } else {
    std::copy_n(record.address, 16, id.begin());
  }
  id[16] = static_cast<uint8_t>(record.port >> 8);
  id[17] = static_cast<uint8_t>(record.port);
  return id;
}

uint32_t MaglevTable::sizeFor(size_t backendCount) {
  const auto fits = [&](uint32_t size) { return size >= kEntriesPerBackend * backendCount; };
  const auto* size = std::find_if(kSizes.begin(), kSizes.end(), fits);
  return size == kSizes.end() ? kSizes.back() : *size;
}

MaglevTable MaglevTable::build(const SipKey& key, std::span<const MaglevBackend> backends) {
  MaglevTable table;
  const uint32_t size = sizeFor(backends.size());
  std::vector<Group> groups = startGroups(drawRanks(key, backends), size);
  if (groups.empty()) return table;

  table.entries_.assign(size, kNoBackend);
  for (uint32_t filled = 0; filled < size; ++filled) {
    std::pop_heap(groups.begin(), groups.end(), isDueLater);
    groups.back().turn(table.entries_);
    std::push_heap(groups.begin(), groups.end(), isDueLater);
  }
  return table;
}

}  // namespace quicproxy
