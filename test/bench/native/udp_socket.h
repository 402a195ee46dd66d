#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace quicproxy::bench {

/// One QUIC packet of the usual size on a path of 1,500 octets, as UDP payload.
inline constexpr size_t kDatagramBytes = 1200;
inline constexpr unsigned kBatch = 64;
/// A load generator that drops would blame the proxy.
inline constexpr int kSocketBufferBytes = 32 << 20;

[[noreturn]] inline void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

inline uint64_t parseNumber(const char* text, uint64_t most) {
  char* end = nullptr;
  const uint64_t value = std::strtoull(text, &end, 10);
  if (end == text || *end != '\0' || value > most) {
    std::fprintf(stderr, "%s: allowed is a number up to %llu\n", text, static_cast<unsigned long long>(most));
    std::exit(2);
  }
  return value;
}

/// An IPv4 socket bound to this port on all addresses.
inline int openSocket(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBufferBytes, sizeof kSocketBufferBytes);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBufferBytes, sizeof kSocketBufferBytes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("bind");
  return fd;
}

}  // namespace quicproxy::bench
