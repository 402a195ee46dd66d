#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "io/file_descriptor.h"
#include "presence.h"
#include "wire.h"

namespace quicproxy::soak {

/// All backends, in one thread: each answers on its own socket, with a Connection ID of its own to long headers. Every
/// second one is a QUIC-LB server, every fifth is reached by IPv6.
class EchoBackends {
 public:
  EchoBackends();
  ~EchoBackends() { stop(); }

  static uint8_t familyOf(uint16_t backend) { return backend % 5 == 4 ? 6 : 4; }
  static bool isQuicLb(uint16_t backend) { return backend % 2 == 1; }

  [[nodiscard]] bool ready() const { return ready_; }
  [[nodiscard]] uint16_t portOf(uint16_t backend) const { return ports_[backend]; }
  void start() {
    thread_ = std::thread([this] { run(); });
  }
  void stop();

  /// After stop().
  [[nodiscard]] uint64_t received() const { return received_; }
  [[nodiscard]] uint64_t sent() const { return sent_; }

 private:
  void run();
  void answerAll(uint16_t backend);
  void answer(uint16_t backend, std::span<const uint8_t> datagram, const SocketAddress& from);

  std::array<FileDescriptor, kBackends> sockets_;
  std::array<uint16_t, kBackends> ports_{};
  bool ready_ = true;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
  Random random_{7};
  uint64_t received_ = 0;
  uint64_t sent_ = 0;
};

}  // namespace quicproxy::soak
