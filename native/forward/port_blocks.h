#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "forward/upstream_ports.h"

namespace quicproxy {

/// The blocks of ports that one worker has of UpstreamPorts, and in which order its flows get their ports: in turn, so
/// that a port rests as long as possible before another flow gets it. Late replies to the former one must not reach a
/// stranger.
class PortBlocks {
 public:
  /// seed: where the range is gone through from cannot be foreseen (RFC 6056).
  PortBlocks(UpstreamPorts& ports, uint32_t worker, uint32_t seed);
  /// Gives its blocks back.
  ~PortBlocks();
  PortBlocks(const PortBlocks&) = delete;
  PortBlocks& operator=(const PortBlocks&) = delete;

  [[nodiscard]] bool empty() const { return blocks_.empty(); }
  /// With the one that is given up.
  [[nodiscard]] uint32_t count() const { return static_cast<uint32_t>(blocks_.size()) + (leaving_ == kNone ? 0 : 1); }
  bool claim(uint32_t nowMs, UpstreamPorts::Need need);

  /// Calls take(port), which says whether it took it, with ports in turn until it does; false if it never does.
  /// used: ports that it has taken already of these.
  template <typename Take>
  bool choose(uint32_t used, uint32_t nowMs, Take&& take) {
    if (used >= usable_ - usable_ / kSpareShare) claim(nowMs, UpstreamPorts::Need::kSpare);
    const bool worthLooking = used < usable_ - usable_ / kFullShare;
    if (worthLooking && (takeInTurn(kMaxPortsTried, take) || takeHereAndThere(take))) return true;
    // A block that is new is free as a whole.
    if (claim(nowMs, UpstreamPorts::Need::kLast)) {
      cursor_ = static_cast<uint32_t>(blocks_.size() - 1) * UpstreamPorts::kBlockPorts;
      if (takeInTurn(UpstreamPorts::kBlockPorts - 1, take)) return true;
    }
    // A flow that was just ended to make room has left a port that looking would hardly find.
    return lastEnded_ != 0 && !isLeaving(lastEnded_) && take(lastEnded_);
  }
  /// The port, in turn, whose flow may be asked to give way next.
  [[nodiscard]] uint16_t nextVictim() { return next(victimCursor_); }

  /// A flow has begun to send from a port, or ended.
  void begin(uint16_t port) { use_[blockOf(port)].flows++; }
  void end(uint16_t port, uint32_t nowMs);

  [[nodiscard]] bool owns(uint16_t port) const { return ports_.isOwnedBy(worker_, port); }
  /// Flows of this block go over to other ports, so that another worker gets it.
  [[nodiscard]] bool isLeaving(uint16_t port) const { return blockOf(port) == leaving_; }
  [[nodiscard]] bool anyLeaving() const { return leaving_ != kNone; }

  /// To be called every few hundred milliseconds: gives back blocks that no flow has used for a minute, and begins to
  /// give one up to a worker that has none.
  void tend(uint32_t nowMs);

 private:
  static constexpr uint32_t kNone = 0xffff;
  /// Ports that are looked at for a new flow, unless fewer than one in kFullShare is free toward the backend: then
  /// looking would cost more than it finds, six times in seven or worse.
  static constexpr uint32_t kMaxPortsTried = 512;
  static constexpr uint32_t kFullShare = 256;
  /// A further block is claimed when toward one backend only one in this many ports is free.
  static constexpr uint32_t kSpareShare = 16;
  /// Prime, and not a divisor of any number of ports: the golden section of 2^16.
  static constexpr uint32_t kStride = 40'503;

  struct Use {
    uint32_t flows = 0;
    uint32_t emptySinceMs = 0;
  };

  template <typename Take>
  bool takeInTurn(uint32_t tries, Take&& take) {
    for (uint32_t tried = 0; tried < tries; tried++) {
      if (take(next(cursor_))) return true;
    }
    return false;
  }
  /// The free ones may lie together, beyond those that come next.
  template <typename Take>
  bool takeHereAndThere(Take&& take) const {
    for (uint32_t tried = 0; tried < kMaxPortsTried; tried++) {
      if (take(at((cursor_ + tried * kStride) % portCount()))) return true;
    }
    return false;
  }
  [[nodiscard]] static uint32_t blockOf(uint16_t port) { return port / UpstreamPorts::kBlockPorts; }
  [[nodiscard]] uint32_t portCount() const {
    return static_cast<uint32_t>(blocks_.size()) * UpstreamPorts::kBlockPorts;
  }
  [[nodiscard]] uint16_t at(uint32_t place) const;
  uint16_t next(uint32_t& cursor) const;
  [[nodiscard]] bool isIdle(uint32_t block) const { return use_[block].flows == 0; }
  void drop(size_t position);
  void countUsable();

  UpstreamPorts& ports_;
  uint32_t worker_;
  std::vector<uint8_t> blocks_;  ///< that ports are taken from
  std::array<Use, 256> use_{};   ///< of each block that this worker has
  uint32_t leaving_ = kNone;
  uint32_t usable_ = 0;  ///< ports of blocks_ that may be sent from
  uint32_t countedAtMs_ = 0;
  uint32_t cursor_;            ///< in the ports of blocks_: the longest unused port comes next
  uint32_t victimCursor_ = 0;  ///< the same, of ports whose flow may give way
  uint16_t lastEnded_ = 0;
};

}  // namespace quicproxy
