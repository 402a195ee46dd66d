#include "receive/receive_ring.h"

#include <algorithm>

#include "io/clock.h"

namespace quicproxy {

ReceiveRing::ReceiveRing(uint32_t capacity) : batch_(capacity), entries_(capacity) {}

uint32_t ReceiveRing::depth() const { return headOwn_ - tail_.load(std::memory_order_acquire); }

uint32_t ReceiveRing::room(uint32_t max) const {
  const uint32_t toTheEnd = capacity() - slotOf(headOwn_);
  return std::min({max, capacity() - depth(), toTheEnd});
}

int ReceiveRing::receive(int fd, uint32_t count, const Origin& origin) {
  const uint32_t first = slotOf(headOwn_);
  const int received = batch_.receive(fd, first, count);
  if (received <= 0) return received;
  const uint64_t receivedNs = origin.logged ? realtimeNs() : 0;
  for (uint32_t i = first; i < first + static_cast<uint32_t>(received); i++) {
    entries_[i] = {batch_.received(i, origin.port), receivedNs, origin.timedFromNs, origin.endpoint};
  }
  return received;
}

/// Publishing, then looking whether the other rests; there announcing rest, then looking whether anything was
/// published. In the one order that all four have (seq_cst), not both can miss the other's store.
bool ReceiveRing::publish(uint32_t count) {
  headOwn_ += count;
  head_.store(headOwn_, std::memory_order_seq_cst);
  return resting_.load(std::memory_order_seq_cst) && resting_.exchange(false, std::memory_order_seq_cst);
}

bool ReceiveRing::mayRest() {
  resting_.store(true, std::memory_order_seq_cst);
  if (head_.load(std::memory_order_seq_cst) == tailOwn_) return true;
  awake();
  return false;
}

void ReceiveRing::release(uint32_t count) {
  tailOwn_ += count;
  tail_.store(tailOwn_, std::memory_order_release);
}

}  // namespace quicproxy
