#pragma once

#include <cstdint>

#include "io/file_descriptor.h"

namespace quicproxy {

/// Tells that addresses, routes, rules or links of this network namespace have changed (the multicast groups of
/// rtnetlink(7)). What changed is read anew by whoever asks: events may be lost, and one cause makes many of them.
class NetworkMonitor {
 public:
  NetworkMonitor();

  /// Waits until something changed and has come to rest for kRestMs, for kLongestRestMs at most, or until nothing has
  /// been said for kPollMs (kBlindPollMs where the kernel refuses events). False once stop() was called.
  bool wait();
  /// Waits. False once stop() was called.
  [[nodiscard]] bool rest(uint32_t ms) const;
  /// Any thread.
  void stop() const;
  /// False where the kernel refuses events and only the clock tells.
  [[nodiscard]] bool hearsEvents() const { return static_cast<bool>(events_); }

  static constexpr int kRestMs = 50;
  static constexpr int kLongestRestMs = 500;
  static constexpr int kPollMs = 10'000;
  static constexpr int kBlindPollMs = 1000;

 private:
  enum class Heard : uint8_t { kNothing, kChange, kStop };
  [[nodiscard]] Heard listen(int waitMs);

  FileDescriptor events_;
  FileDescriptor stopping_;
};

}  // namespace quicproxy
