#include "route/maglev.h"

#include <algorithm>
#include <tuple>

namespace quicproxy {

namespace {

constexpr size_t kEntriesPerBackend = 100;

/// The first prime above each power of two from 2^16 on.
constexpr std::array<uint32_t, 6> kSizes = {65537, 131101, 262147, 524309, 1048583, 2097169};
static_assert(kSizes.back() >= kEntriesPerBackend * kMaxBackends);

/// A backend's walk over the table and its place in the order of turns.
struct Walk {
  uint32_t position;
  uint32_t skip;
  uint32_t turns;  ///< taken so far; the next one is due at turns / weight
  uint32_t weight;
  uint32_t rank;
  uint16_t slot;
};

/// Heap order. Cross-multiplied, so exact: turns < 2^22 and weight < 2^32.
bool isDueLater(const Walk& a, const Walk& b) {
  const uint64_t dueA = uint64_t{a.turns} * b.weight;
  const uint64_t dueB = uint64_t{b.turns} * a.weight;
  return dueA != dueB ? dueA > dueB : a.rank > b.rank;
}

struct Draw {
  Digest128 digest;
  MaglevBackend backend;
};

/// Ranked by digest: neither the order of the input nor an address alone decides who takes the first turn of a round.
std::vector<Draw> rank(const SipKey& key, std::span<const MaglevBackend> backends) {
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

std::vector<Walk> startWalks(const std::vector<Draw>& draws, uint32_t size) {
  std::vector<Walk> walks;
  walks.reserve(draws.size());
  for (const Draw& draw : draws) {
    walks.push_back({.position = static_cast<uint32_t>(draw.digest.low % size),
                     .skip = static_cast<uint32_t>(draw.digest.high % (size - 1) + 1),
                     .turns = 0,
                     .weight = draw.backend.weight,
                     .rank = static_cast<uint32_t>(walks.size()),
                     .slot = draw.backend.slot});
  }
  return walks;
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
  std::vector<Walk> walks = startWalks(rank(key, backends), size);
  if (walks.empty()) return table;

  std::vector<uint16_t>& entries = table.entries_;
  entries.assign(size, kNoBackend);
  // All turns are 0, so the order by rank is a heap already.
  for (uint32_t filled = 0; filled < size; ++filled) {
    std::pop_heap(walks.begin(), walks.end(), isDueLater);
    Walk& walk = walks.back();
    while (entries[walk.position] != kNoBackend) {
      walk.position += walk.skip;
      if (walk.position >= size) walk.position -= size;
    }
    entries[walk.position] = walk.slot;
    ++walk.turns;
    std::push_heap(walks.begin(), walks.end(), isDueLater);
  }
  return table;
}

}  // namespace quicproxy
