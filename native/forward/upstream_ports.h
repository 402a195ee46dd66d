#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>

#include "bpf/bpf_object.h"
#include "bpf/upstream_lookup.h"
#include "io/file_descriptor.h"
#include "io/socket_address.h"
#include "network/ports_in_use.h"

namespace quicproxy {

/// The source ports that this process sends upstream from, in blocks of 256 that workers claim as they need them and
/// give back, and the SK_LOOKUP program that brings replies to those ports to the claiming worker's sockets.
///
/// A claimed block is marked by a UDP socket on its first port, which receives nothing: another process finds that port
/// taken and goes on to its next block, so several proxies share one range. All of it ends with the process.
class UpstreamPorts {
 public:
  static constexpr uint32_t kBlockPorts = 256;

  /// Uses the whole blocks within first..last, port 0 aside. The text says which step failed and why.
  static std::variant<std::unique_ptr<UpstreamPorts>, std::string> create(uint16_t first, uint16_t last);
  ~UpstreamPorts();
  UpstreamPorts(const UpstreamPorts&) = delete;
  UpstreamPorts& operator=(const UpstreamPorts&) = delete;

  /// Control thread: where replies to a worker's ports go. False with errno set when the kernel refuses.
  bool setSocket(uint32_t worker, bool v6, int fd);
  /// Control thread: whose replies are caught; only their senders' datagrams are looked at. Takes what the present
  /// backends and `next` have together (Keep::kPresent), or `next` alone.
  enum class Keep : uint8_t { kPresent, kNothing };
  bool setBackends(std::span<const SocketAddress> next, Keep keep);

  /// Control thread: true if the port marks a block of ours; until the next spare() listening sockets of this process
  /// may join it there.
  bool lend(uint16_t port);
  /// Control thread: `listened` are the ports of the listening sockets, which mark a block as well as a marker does;
  /// `named` are those and others that are not sent from.
  void spare(const PortSet& listened, const PortSet& named);
  /// Control thread: looks at which ports other sockets of this host have. What somebody took within a block of ours is
  /// not sent from any more once it was there twice in a row, and what was given back is sent from again.
  void yieldToOthers();

  /// Any thread: a block for a worker, by number (port / 256). None when all are taken. Blocks come in turn from a
  /// random one on: neither a restart nor a block that was just given back makes a port that was in use a moment ago
  /// the next one, to which late replies may still come.
  /// One block in eight is kept for workers that join, until somebody would have to refuse flows (Need::kLast).
  enum class Need : uint8_t { kSpare, kLast };
  std::optional<uint8_t> claim(uint32_t worker, uint32_t nowMs, Need need);
  /// Any thread: the worker that claimed the block sends from it no more.
  void release(uint8_t block);

  /// Any thread: a worker that has no block asks the others for one. Until it has claimed it, or withdraws, nobody else
  /// claims any: the next one that is given back is its own.
  void plead(uint32_t worker) {
    uint32_t nobody = 0;
    if (!waiting_.compare_exchange_strong(nobody, worker + 1) && nobody != worker + 1) return;
    pleas_.store(1, std::memory_order_relaxed);
  }
  void withdraw(uint32_t worker) {
    uint32_t self = worker + 1;
    waiting_.compare_exchange_strong(self, 0);
  }
  /// Whether to give a block up for the worker that pleaded. Only one is told so.
  bool takePlea() { return pleas_.load(std::memory_order_relaxed) != 0 && pleas_.exchange(0) != 0; }

  /// Any thread: whether the worker may send from the port. Not from the first of a block, which its marker has, nor
  /// from those that somebody else has or that servers take for reflection.
  [[nodiscard]] bool isOwnedBy(uint32_t worker, uint16_t port) const {
    return std::atomic_ref(owners_->owner[port]).load(std::memory_order_relaxed) == worker + 1;
  }
  [[nodiscard]] uint32_t countOwnedBy(uint32_t worker, uint8_t block) const;
  [[nodiscard]] uint16_t first() const { return static_cast<uint16_t>(firstBlock_ * kBlockPorts); }
  [[nodiscard]] uint16_t last() const { return static_cast<uint16_t>((lastBlock_ + 1) * kBlockPorts - 1); }
  [[nodiscard]] uint32_t claimedBlocks() const { return claimed_.load(std::memory_order_relaxed); }

 private:
  enum class State : uint8_t { kFree, kOurs, kForeign };
  struct Block {
    State state = State::kFree;
    uint8_t owner = 0;  ///< the worker's number plus one
    FileDescriptor marker;
  };

  explicit UpstreamPorts(BpfObject object) : object_(std::move(object)) {}

  std::string attach();
  [[nodiscard]] bool take(uint32_t block, uint32_t worker);
  void writeOwners(uint32_t block);
  void forgetForeign(uint32_t nowMs);
  [[nodiscard]] uint32_t blockCount() const { return lastBlock_ - firstBlock_ + 1; }
  [[nodiscard]] uint32_t keptForNewcomers() const { return blockCount() / 8; }

  BpfObject object_;
  FileDescriptor link_;
  upstream_ports* owners_ = nullptr;  ///< shared with the BPF program
  uint32_t firstBlock_ = 0;
  uint32_t lastBlock_ = 0;
  std::set<std::string> backends_;  ///< keys of the BPF map
  std::atomic<uint32_t> claimed_{0};
  std::atomic<uint32_t> pleas_{0};
  std::atomic<uint32_t> waiting_{0};  ///< the number, plus one, of the worker that the next block is for
  std::atomic<uint32_t> free_{0};     ///< blocks in State::kFree
  std::atomic<uint32_t> triedForeignAtMs_{0};

  std::mutex mutex_;  ///< of what follows; never taken for a datagram of a known flow
  std::array<Block, 256> blocks_;
  uint32_t turn_ = 0;  ///< where the next claim looks first, counted from firstBlock_
  PortSet listened_;
  PortSet named_;
  PortSet foreign_;    ///< others have them
  PortSet suspected_;  ///< others seemed to have them when it was last looked
};

}  // namespace quicproxy
