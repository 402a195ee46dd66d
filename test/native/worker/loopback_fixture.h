#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "../abi/contract_sample.h"
#include "io/file_descriptor.h"
#include "worker/data_plane.h"

namespace quicproxy {

/// A UDP socket on 127.0.0.1.
class LoopbackSocket {
 public:
  explicit LoopbackSocket(uint16_t port = 0, bool sharePort = false) : fd_(socket(AF_INET, SOCK_DGRAM, 0)) {
    const int on = sharePort ? 1 : 0;
    setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    sockaddr_in address = loopback(port);
    bound_ = bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    socklen_t length = sizeof address;
    getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
  }

  static sockaddr_in loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  [[nodiscard]] bool bound() const { return bound_; }
  [[nodiscard]] uint16_t port() const { return port_; }

  bool send(uint16_t port, const std::vector<uint8_t>& payload) {
    const sockaddr_in to = loopback(port);
    return sendto(fd_.get(), payload.data(), payload.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) ==
           static_cast<ssize_t>(payload.size());
  }

  /// What this socket has sent is in its receivers' buffers: one more, to itself, has come after it.
  bool allDelivered() { return send(port_, {0}) && receive(20'000).has_value(); }

  struct Received {
    std::vector<uint8_t> payload;
    uint16_t fromPort;
  };
  /// None when nothing comes within the time.
  std::optional<Received> receive(int waitMs = 10'000) {
    pollfd poller{fd_.get(), POLLIN, 0};
    if (poll(&poller, 1, waitMs) != 1) return std::nullopt;
    std::array<uint8_t, 65536> buffer;
    sockaddr_in from{};
    socklen_t length = sizeof from;
    const ssize_t size =
        recvfrom(fd_.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (size < 0) return std::nullopt;
    return Received{{buffer.data(), buffer.data() + size}, ntohs(from.sin_port)};
  }

 private:
  FileDescriptor fd_;
  uint16_t port_ = 0;
  bool bound_ = false;
};

/// Above net.ipv4.ip_local_port_range, so that no socket that is opened meanwhile gets it.
inline uint16_t unusedPort() {
  constexpr uint32_t kFirst = 61'000;
  constexpr uint32_t kPorts = 65'536 - kFirst;
  static std::atomic<uint32_t> next{static_cast<uint32_t>(getpid()) * 997};
  for (;;) {
    const auto port = static_cast<uint16_t>(kFirst + next++ % kPorts);
    if (LoopbackSocket(port).bound()) return port;
  }
}

/// A contract for 127.0.0.1: one listener, the given backends.
class LoopbackContract {
 public:
  LoopbackContract(uint16_t port, const std::vector<uint16_t>& backendPorts) : sample(1, 0) {
    sample.endpoints[0] = {
        .address = {127, 0, 0, 1}, .port = port, .family = 4, .flags = 0, .listener = 0, .reserved = 0};
    sample.header.generation = 1;
    sample.header.workers = 2;
    sample.header.fallback = Fallback::kFourTuple;
    sample.header.shortHeaderCidLength = 8;
    sample.header.flowMemoryBytes = 1 << 20;
    sample.header.receiveBufferBytes = 1 << 20;
    setBackends(backendPorts);
  }

  void setBackends(const std::vector<uint16_t>& ports) {
    sample.backends.clear();
    for (const uint16_t port : ports) {
      sample.backends.push_back({.address = {127, 0, 0, 1}, .port = port, .family = 4, .reserved = 0, .weight = 1});
    }
    sample.layOut();
  }

  void setListeners(const std::vector<uint16_t>& ports) {
    sample.endpoints.resize(1);
    const EndpointRecord first = sample.endpoints[0];
    sample.endpoints.assign(ports.size(), first);
    for (size_t i = 0; i < ports.size(); i++) sample.endpoints[i].port = ports[i];
    sample.layOut();
  }

  /// ::1 instead, listener and backends.
  void useIpv6() {
    constexpr uint8_t kLoopback6[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    for (EndpointRecord& endpoint : sample.endpoints) {
      std::memcpy(endpoint.address, kLoopback6, sizeof kLoopback6);
      endpoint.family = 6;
    }
    for (BackendRecord& backend : sample.backends) {
      std::memcpy(backend.address, kLoopback6, sizeof kLoopback6);
      backend.family = 6;
    }
  }

  LoopbackContract& next() {
    sample.header.generation++;
    return *this;
  }

  [[nodiscard]] std::vector<uint8_t> bytes() const { return sample.bytes(); }

  ContractSample sample;
};

inline std::unique_ptr<DataPlane> startOrFail(const LoopbackContract& contract) {
  auto started = DataPlane::start(contract.bytes());
  if (auto* failure = std::get_if<Failure>(&started)) {
    ADD_FAILURE() << failureName(failure->code) << ": " << failure->detail;
    return nullptr;
  }
  return std::get<std::unique_ptr<DataPlane>>(std::move(started));
}

/// By worker, those that are gone too.
inline std::vector<uint64_t> countersOf(const DataPlane& plane, Counter counter) {
  const auto region = plane.counters();
  CountersHeader header;
  std::memcpy(&header, region->data(), sizeof header);
  std::vector<uint64_t> values;
  for (uint32_t worker = 0; worker < header.workers; worker++) {
    const auto* block = reinterpret_cast<const CounterCell*>(region->data() + header.workerOffset +
                                                             size_t{worker} * header.workerStride);
    values.push_back(block[static_cast<uint32_t>(counter)].get());
  }
  return values;
}

inline uint64_t counterOf(const DataPlane& plane, Counter counter) {
  const std::vector<uint64_t> values = countersOf(plane, counter);
  return std::accumulate(values.begin(), values.end(), uint64_t{0});
}

inline uint64_t forwardedTo(const DataPlane& plane, uint32_t backendSlot) {
  uint64_t sum = 0;
  for (uint32_t worker = 0; worker < plane.status().workers; worker++) {
    sum += plane.counters()->of(worker).get(static_cast<uint16_t>(backendSlot), BackendCounter::kForwarded);
  }
  return sum;
}

/// Counters move after the datagram has left: wait for them. Ten seconds and more only keep a broken run from lasting.
inline bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 10'000; i++) {
    if (condition()) return true;
    poll(nullptr, 0, 1);
  }
  return condition();
}

/// flags, version 1, DCID and SCID of eight equal octets each.
inline std::vector<uint8_t> longPacket(uint8_t dcid, uint8_t scid, size_t size = 100) {
  std::vector<uint8_t> packet(size, dcid);
  const uint8_t start[] = {0xc3, 0, 0, 0, 1, 8};
  std::copy(std::begin(start), std::end(start), packet.begin());
  packet[14] = 8;
  std::fill_n(packet.begin() + 15, 8, scid);
  return packet;
}

inline std::vector<uint8_t> shortPacket(uint8_t cid, size_t size = 64) {
  std::vector<uint8_t> packet(size, cid);
  packet[0] = 0x40;
  return packet;
}

/// A connection of the client whose server chose the ID `cid`, which the client has used: nothing evicts its flow. The
/// port that the backend sees it from; 0 when something did not arrive.
inline uint16_t confirmedConnection(LoopbackSocket& client, LoopbackSocket& backend, uint16_t port, uint8_t cid) {
  constexpr uint8_t kClientId = 0xd1;
  client.send(port, longPacket(0xd0, kClientId));
  const auto first = backend.receive();
  if (!first) return 0;
  backend.send(first->fromPort, longPacket(kClientId, cid));
  if (!client.receive()) return 0;
  client.send(port, shortPacket(cid));
  return backend.receive() ? first->fromPort : uint16_t{0};
}

}  // namespace quicproxy
