#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "io/receive_batch.h"

namespace quicproxy {

/// Messages on their way from the receiving thread of a worker to its forwarding thread: the slots that the kernel
/// writes to are the ring, nothing is copied, allocated or locked. One thread receives, one other takes.
///
///      tail            head
///   ····[taken][waiting]····[free]····    positions only grow; slot = position modulo capacity
///
/// A slot is free again when the forwarding thread releases it, that is when its datagrams have left.
class ReceiveRing {
 public:
  struct Origin {
    uint16_t port;             ///< of the listening socket
    uint8_t endpoint;          ///< slot in the snapshot
    bool logged;               ///< note when the messages were received
    uint64_t timedFromNs = 0;  ///< see Entry
  };

  struct Entry {
    Received message;
    uint64_t receivedNs;   ///< CLOCK_REALTIME, 0 where nobody asked for it
    uint64_t timedFromNs;  ///< CLOCK_MONOTONIC before the receive call, 0 where its messages are not timed
    uint8_t endpoint;
  };

  /// capacity: messages, a power of two. Each takes 66 KiB of address space and as much memory as the longest message
  /// that was ever received into it.
  explicit ReceiveRing(uint32_t capacity);

  [[nodiscard]] bool ready() const { return batch_.ready(); }
  [[nodiscard]] uint32_t capacity() const { return batch_.capacity(); }

  // The receiving thread:

  /// Messages that have not been released.
  [[nodiscard]] uint32_t depth() const;
  /// Free slots in one piece, `max` at most.
  [[nodiscard]] uint32_t room(uint32_t max) const;
  /// Receives into `count` of these. Returns the number of messages, or -1 with errno set. Nobody sees them yet.
  int receive(int fd, uint32_t count, const Origin& origin);
  /// A message that the latest call received.
  [[nodiscard]] const Received& fresh(uint32_t index) const { return entryAt(headOwn_ + index).message; }
  /// Shows them to the forwarding thread. True when that one rests and must be woken.
  [[nodiscard]] bool publish(uint32_t count);

  // The forwarding thread:

  [[nodiscard]] uint32_t waiting() const { return head_.load(std::memory_order_acquire) - tailOwn_; }
  /// The index-th that waits.
  [[nodiscard]] const Entry& at(uint32_t index) const { return entryAt(tailOwn_ + index); }
  void release(uint32_t count);
  /// Announces that this thread is about to sleep; false when it must not, because messages wait. From true until
  /// awake(), the next publish() tells to wake it.
  [[nodiscard]] bool mayRest();
  void awake() { resting_.store(false, std::memory_order_relaxed); }

 private:
  [[nodiscard]] uint32_t slotOf(uint32_t position) const { return position & (capacity() - 1); }
  [[nodiscard]] const Entry& entryAt(uint32_t position) const { return entries_[slotOf(position)]; }

  /// Two threads never write to one cache line, nor to the pair that the hardware fetches together.
  static constexpr size_t kApart = 128;

  ReceiveBatch batch_;
  std::vector<Entry> entries_;
  alignas(kApart) std::atomic<uint32_t> head_{0};
  uint32_t headOwn_ = 0;
  alignas(kApart) std::atomic<uint32_t> tail_{0};
  uint32_t tailOwn_ = 0;
  alignas(kApart) std::atomic<bool> resting_{false};
};

}  // namespace quicproxy
