#pragma once

#include <cstdint>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "connection.h"
#include "io/file_descriptor.h"

namespace quicproxy::soak {

/// A thread of clients whose connections share a few sockets: they exchange datagrams one by one and in trains, move to
/// other addresses, end and begin, and judge which backend answers.
class Client {
 public:
  struct Figures {
    uint64_t sent = 0;
    uint64_t received = 0;
    uint64_t exchanges = 0;
    uint64_t trains = 0;
    uint64_t connections = 0;
    uint64_t rebindings = 0;
    uint64_t migrations = 0;
    uint64_t timeouts = 0;
    uint64_t judged = 0;   ///< answers whose backend was promised
    uint64_t excused = 0;  ///< answers of another backend where none was promised
    uint64_t strays = 0;   ///< answers to connections that had ended
    std::vector<std::string> violations;
  };

  Client(const Presence& presence, const std::array<uint16_t, kListeners>& ports, uint32_t seed);

  static uint8_t familyOf(uint16_t listener) { return listener == kListeners - 1 ? 6 : 4; }

  void start() {
    thread_ = std::thread([this] { run(); });
  }
  /// After Presence::stopping.
  const Figures& join() {
    thread_.join();
    return figures_;
  }

 private:
  void run();
  bool receiveAll();
  void receive(std::span<const uint8_t> datagram);
  void judge(Connection& connection, const Note& note, uint32_t nowMs);
  bool act(Connection& connection, uint32_t nowMs);
  void restart(Connection& connection, uint32_t nowMs);
  void move(Connection& connection);
  void rebind(size_t path);
  void exchange(Connection& connection, uint32_t nowMs);
  void sendJunk(const Connection& connection);
  void send(const Connection& connection, const std::vector<Octets>& datagrams);
  [[nodiscard]] bool oneIn(uint32_t n) { return random_() / 7 % n == 0; }
  [[nodiscard]] size_t pathOf(uint16_t listener);

  const Presence& presence_;
  std::array<SocketAddress, kListeners> listeners_;
  Random random_;
  std::vector<FileDescriptor> paths_;
  std::vector<Connection> connections_;
  std::unordered_map<uint64_t, size_t> byId_;
  Figures figures_;
  std::thread thread_;
};

}  // namespace quicproxy::soak
