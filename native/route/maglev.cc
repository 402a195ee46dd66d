#include "route/maglev.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace quicproxy {

namespace {

/// Primes above powers of two, few of them: a change of size draws every entry anew.
constexpr std::array<uint32_t, 3> kSizes = {65537, 1048583, 2097169};
constexpr size_t kSmallestShare = 1000;  ///< entries per backend that the first size is left for
constexpr size_t kLeastShare = 100;      ///< the same for the others, where memory counts
static_assert(kSizes.back() >= kLeastShare * kMaxBackends);

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

/// A backend's walk over the table: `turns` entries from its first one on are behind it.
struct Walk {
  uint32_t position;
  uint32_t skip;
  uint32_t weight;
  uint32_t turns;
};

std::vector<Walk> startWalks(const std::vector<Draw>& draws, uint32_t size) {
  std::vector<Walk> walks;
  walks.reserve(draws.size());
  for (const auto& [digest, backend] : draws) {
    walks.push_back({.position = static_cast<uint32_t>(digest.low % size),
                     .skip = static_cast<uint32_t>(digest.high % (size - 1) + 1),
                     .weight = backend.weight,
                     .turns = 0});
  }
  return walks;
}

/// When walks come by, in fixed point, because proxies must agree to the bit. The first of several walkers at even
/// speeds comes first with a probability that is not its share of the speeds; with exponential times it is. So the r-th
/// turn of M is due at 1/M + 1/(M-1) + ... + 1/(M-r), the mean of the r-th smallest of M exponential times, over the
/// weight.
class Times {
 public:
  explicit Times(uint32_t size) {
    due_.reserve(size);
    uint64_t due = 0;
    for (uint32_t turn = 0; turn < size; ++turn) due_.push_back(due += kUnit / (size - turn));
  }

  /// Below 2^60: the sum is below ln M + 1.
  [[nodiscard]] uint64_t of(uint32_t turn, uint32_t weight) const { return due_[turn] / weight; }

  /// Turns that a walk has behind it by then.
  [[nodiscard]] uint32_t turnsBy(uint64_t end, uint32_t weight) const {
    const auto isBy = [=](uint64_t due) { return due / weight <= end; };
    return static_cast<uint32_t>(std::partition_point(due_.begin(), due_.end(), isBy) - due_.begin());
  }

  /// Until then each entry is met `times` times on average.
  [[nodiscard]] static uint64_t untilMet(uint64_t times, uint64_t weights) { return times * kUnit / weights; }

 private:
  static constexpr uint64_t kUnit = uint64_t{1} << 56;

  std::vector<uint64_t> due_;
};

/// Gives each entry to the walk that comes to it first, of two at one time to that of the lower rank.
///
/// In stages, because nobody comes first to an entry that was met in a stage before: of the M ln M meetings, all but
/// 1.6 M then end at one bit of a map that fits into the cache.
class Race {
 public:
  Race(std::vector<Walk> walks, uint32_t size)
      : walks_(std::move(walks)), times_(size), best_(size, kNever), winners_(size, 0), open_(size, true) {
    for (const Walk& walk : walks_) weights_ += walk.weight;
  }

  /// Ranks of the winners by entry.
  const std::vector<uint16_t>& run() {
    size_t left = best_.size();
    for (uint64_t stage = 1; left > 0; ++stage) {
      const uint64_t end = Times::untilMet(stage, weights_);
      for (size_t rank = 0; rank < walks_.size(); ++rank) goOn(static_cast<uint16_t>(rank), end);
      for (const uint32_t entry : met_) open_[entry] = false;
      left -= met_.size();
      met_.clear();
    }
    return winners_;
  }

 private:
  static constexpr uint64_t kNever = UINT64_MAX;

  void goOn(uint16_t rank, uint64_t end) {
    Walk& walk = walks_[rank];
    const auto size = static_cast<uint32_t>(best_.size());
    const uint32_t turns = times_.turnsBy(end, walk.weight);
    for (; walk.turns < turns; ++walk.turns) {
      if (open_[walk.position]) meet(walk.position, rank, times_.of(walk.turns, walk.weight));
      walk.position += walk.skip;
      if (walk.position >= size) walk.position -= size;
    }
  }

  void meet(uint32_t entry, uint16_t rank, uint64_t time) {
    const uint64_t before = best_[entry];
    // Ranks go on in their order, so of two at one time the lower one was here before.
    if (time >= before) return;
    if (before == kNever) met_.push_back(entry);
    best_[entry] = time;
    winners_[entry] = rank;
  }

  std::vector<Walk> walks_;
  uint64_t weights_ = 0;
  Times times_;
  std::vector<uint64_t> best_;
  std::vector<uint16_t> winners_;
  std::vector<bool> open_;     ///< nobody came by in an earlier stage
  std::vector<uint32_t> met_;  ///< for the first time in the present stage
};

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
  const std::vector<Draw> draws = drawRanks(key, backends);
  if (draws.empty()) return table;

  Race race(startWalks(draws, size), size);
  table.entries_.clear();
  table.entries_.reserve(size);
  for (const uint16_t rank : race.run()) table.entries_.push_back(draws[rank].backend.slot);
  return table;
}

}  // namespace quicproxy
