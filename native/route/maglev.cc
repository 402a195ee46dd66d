#include "route/maglev.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace quicproxy {

namespace {

/// Primes above powers of two, few of them: a change of size draws every entry anew.
constexpr std::array<uint32_t, 3> kSizes = {65537, 1048583, 2097169};
constexpr size_t kSmallestShare = 1000;  ///< entries per backend that the first size is left for
constexpr size_t kLeastShare = 100;      ///< the same for the others, where memory counts
static_assert(kSizes.back() >= kLeastShare * kMaxBackends);

/// A backend's walk over the table.
struct Walk {
  uint32_t position;
  uint32_t skip;
  uint32_t rank;
  uint16_t slot;

  /// Comes to the next entry; true when that was nobody's and is this backend's from now on.
  bool claim(std::vector<uint16_t>& entries) {
    const auto size = static_cast<uint32_t>(entries.size());
    uint16_t& entry = entries[position];
    position += skip;
    if (position >= size) position -= size;
    // Where this walk goes on when all others have made their step: a large table is not in the cache.
    __builtin_prefetch(&entries[position], 1);
    if (entry != MaglevTable::kNoBackend) return false;
    entry = slot;
    return true;
  }
};

__extension__ using Wide = unsigned __int128;

/// Backends of one weight take their turns one after the other by rank, so only the groups need a heap.
///
/// The first of several walkers at even speeds comes first with a probability that is not their share of the speeds;
/// with exponential times it is. So the r-th turn of M is due at 1/M + 1/(M-1) + ... + 1/(M-r), the mean of the r-th
/// smallest of M exponential times, over the weight. In fixed point: proxies must agree to the bit.
struct Group {
  uint32_t weight = 0;
  uint32_t turns = 0;  ///< that each of `walks` before `next` has one more of
  uint64_t time = 0;   ///< when the next turn is due, times the weight and 2^40
  size_t next = 0;
  std::vector<Walk> walks;

  void startAt(uint32_t size) { time = kTimeUnit / size; }

  /// One backend's turn; true when it got an entry.
  bool turn(std::vector<uint16_t>& entries) {
    const bool claimed = walks[next].claim(entries);
    if (++next < walks.size()) return claimed;
    next = 0;
    // After M turns a walk has been everywhere, and the table is full.
    const size_t left = entries.size() - ++turns;
    if (left > 0) time += kTimeUnit / left;
    return claimed;
  }

 private:
  static constexpr uint64_t kTimeUnit = uint64_t{1} << 40;
};

/// Heap order. Cross-multiplied, so exact.
bool isDueLater(const Group& a, const Group& b) {
  const Wide dueA = Wide{a.time} * b.weight;
  const Wide dueB = Wide{b.time} * a.weight;
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
  for (auto& [weight, group] : byWeight) {
    group.startAt(size);
    groups.push_back(std::move(group));
  }
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
  if (kSizes[0] >= kSmallestShare * backendCount) return kSizes[0];
  return kSizes[1] >= kLeastShare * backendCount ? kSizes[1] : kSizes[2];
}

MaglevTable MaglevTable::build(const SipKey& key, std::span<const MaglevBackend> backends) {
  MaglevTable table;
  const uint32_t size = sizeFor(backends.size());
  std::vector<Group> groups = startGroups(drawRanks(key, backends), size);
  if (groups.empty()) return table;

  table.entries_.assign(size, kNoBackend);
  for (uint32_t filled = 0; filled < size;) {
    std::pop_heap(groups.begin(), groups.end(), isDueLater);
    if (groups.back().turn(table.entries_)) ++filled;
    std::push_heap(groups.begin(), groups.end(), isDueLater);
  }
  return table;
}

}  // namespace quicproxy
