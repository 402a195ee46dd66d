#include "forward/port_blocks.h"

#include <algorithm>

namespace quicproxy {

namespace {

/// A block that no flow has used for so long goes back: late replies are no matter any more.
constexpr uint32_t kBlockRestMs = 60'000;

/// How often usable ports are counted: others may have come to some.
constexpr uint32_t kCountEveryMs = 1000;

}  // namespace

PortBlocks::PortBlocks(UpstreamPorts& ports, uint32_t worker, uint32_t seed)
    : ports_(ports), worker_(worker), cursor_(seed % UpstreamPorts::kBlockPorts) {
  blocks_.reserve(256);
}

PortBlocks::~PortBlocks() {
  ports_.withdraw(worker_);
  for (const uint8_t block : blocks_) ports_.release(block);
  if (leaving_ != kNone) ports_.release(static_cast<uint8_t>(leaving_));
}

bool PortBlocks::claim(uint32_t nowMs, UpstreamPorts::Need need) {
  const auto block = ports_.claim(worker_, nowMs, need);
  if (!block) return false;
  blocks_.push_back(*block);
  use_[*block] = {0, nowMs};
  usable_ += ports_.countOwnedBy(worker_, *block);
  return true;
}

void PortBlocks::end(uint16_t port, uint32_t nowMs) {
  lastEnded_ = port;
  Use& use = use_[blockOf(port)];
  if (--use.flows == 0) use.emptySinceMs = nowMs;
}

void PortBlocks::tend(uint32_t nowMs) {
  if (leaving_ != kNone && isIdle(leaving_)) {
    ports_.release(static_cast<uint8_t>(leaving_));
    leaving_ = kNone;
  }
  if (nowMs - countedAtMs_ < kCountEveryMs && !blocks_.empty()) return;
  countedAtMs_ = nowMs;
  countUsable();
  if (blocks_.empty() && !claim(nowMs, UpstreamPorts::Need::kLast)) ports_.plead(worker_);
  for (size_t i = blocks_.size(); i-- > 0 && blocks_.size() > 1;) {
    const uint8_t block = blocks_[i];
    if (!isIdle(block) || nowMs - use_[block].emptySinceMs < kBlockRestMs) continue;
    drop(i);
    ports_.release(block);
  }
  if (blocks_.size() < 2 || leaving_ != kNone || !ports_.takePlea()) return;
  const auto least = std::ranges::min_element(blocks_, {}, [this](uint8_t block) { return use_[block].flows; });
  leaving_ = *least;
  drop(static_cast<size_t>(least - blocks_.begin()));
}

/// The order of the others stays, and with it that of the ports' rest.
void PortBlocks::drop(size_t position) {
  blocks_.erase(blocks_.begin() + static_cast<ptrdiff_t>(position));
  countUsable();
}

void PortBlocks::countUsable() {
  usable_ = 0;
  for (const uint8_t block : blocks_) usable_ += ports_.countOwnedBy(worker_, block);
}

uint16_t PortBlocks::next(uint32_t& cursor) const {
  cursor++;
  if (cursor >= portCount()) cursor = 0;
  return at(cursor);
}

uint16_t PortBlocks::at(uint32_t place) const {
  const uint32_t block = blocks_[place / UpstreamPorts::kBlockPorts];
  return static_cast<uint16_t>(block * UpstreamPorts::kBlockPorts + place % UpstreamPorts::kBlockPorts);
}

}  // namespace quicproxy
