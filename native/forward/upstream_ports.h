#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>

#include "bpf/bpf_object.h"
#include "bpf/upstream_lookup.h"
#include "io/file_descriptor.h"
#include "io/socket_address.h"

namespace quicproxy {

/// The source ports that this process sends upstream from, in blocks of 256 that workers claim as they need them, and
/// the SK_LOOKUP program that brings replies to those ports to the claiming worker's sockets.
///
/// A claimed block is marked by a UDP socket on its first port, which receives nothing: another process finds that port
/// taken and goes on to its next block, so several proxies share one range. All of it ends with the process.
class UpstreamPorts {
 public:
  static constexpr uint32_t kBlockPorts = 256;

  /// Uses the whole blocks within first..last. The text says which step failed and why.
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

  /// Any thread: a block for a worker, by number (port / 256). None when all are taken.
  std::optional<uint8_t> claim(uint32_t worker, uint32_t nowMs);

  /// Any thread: the worker that claimed the block sends from it no more.
  void release(uint8_t block);

  /// Ports that are not sent from: the first of each block, which its marker has, those that somebody had when this
  /// process began, and those that servers take for reflection.
  [[nodiscard]] bool excluded(uint16_t port) const { return port % kBlockPorts == 0 || excluded_[port]; }
  [[nodiscard]] uint16_t first() const { return static_cast<uint16_t>(firstBlock_ * kBlockPorts); }
  [[nodiscard]] uint16_t last() const { return static_cast<uint16_t>((lastBlock_ + 1) * kBlockPorts - 1); }
  [[nodiscard]] uint32_t claimedBlocks() const { return claimed_.load(std::memory_order_relaxed); }

 private:
  enum class Block : uint8_t { kFree, kOurs, kForeign };

  explicit UpstreamPorts(BpfObject object) : object_(std::move(object)) {}

  std::string attach();
  bool take(uint32_t block, uint32_t worker);
  void forgetForeign(uint32_t nowMs);

  BpfObject object_;
  FileDescriptor link_;
  upstream_ports* owners_ = nullptr;  ///< shared with the BPF program
  uint32_t firstBlock_ = 0;
  uint32_t lastBlock_ = 0;
  std::bitset<65536> excluded_;
  std::array<std::atomic<Block>, 256> blocks_{};
  std::array<FileDescriptor, 256> markers_;
  std::atomic<uint32_t> claimed_{0};
  std::atomic<uint32_t> triedForeignAtMs_{0};
  std::set<std::string> backends_;  ///< keys of the BPF map
};

}  // namespace quicproxy
