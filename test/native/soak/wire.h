#pragma once

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "abi/contract.h"
#include "io/socket_address.h"
#include "route/quic_lb.h"

namespace quicproxy::soak {

using Octets = std::vector<uint8_t>;
using Random = std::minstd_rand;

/// What the two ends tell each other: the last octets of every datagram, wherever its Connection IDs end.
struct Note {
  static constexpr uint32_t kMagic = 0x6b616f73;
  uint32_t magic = kMagic;
  uint16_t backend = 0;  ///< the one that answers
  uint8_t answers = 1;   ///< how many a client asks for, as one train
  uint8_t reserved = 0;
  uint32_t exchange = 0;
  uint64_t connection = 0;  ///< also the Connection ID that the client chose
};

inline constexpr size_t kPlainCidOctets = 8;
/// Plain-text QUIC-LB: rotation 0, server ID of 2 octets, nonce of 7.
inline constexpr uint8_t kServerIdOctets = 2;
inline constexpr uint8_t kNonceOctets = 7;
inline constexpr size_t kRoutableCidOctets = 1 + kServerIdOctets + kNonceOctets;

[[nodiscard]] inline bool isRoutable(std::span<const uint8_t> cid) { return (cid[0] & 0xe0) == 0; }

[[nodiscard]] inline ServerId serverIdOf(uint16_t backend) {
  ServerId server;
  server.length = kServerIdOctets;
  server.octets[0] = static_cast<uint8_t>(backend >> 8);
  server.octets[1] = static_cast<uint8_t>(backend);
  return server;
}

inline Octets randomOctets(Random& random, size_t count) {
  Octets octets(count);
  for (uint8_t& octet : octets) octet = static_cast<uint8_t>(random() >> 8);
  return octets;
}

/// Rotation bits 0b111: routable by no config.
inline Octets plainCid(Random& random) {
  Octets cid = randomOctets(random, kPlainCidOctets);
  cid[0] |= 0xe0;
  return cid;
}

inline Octets routableCid(Random& random, uint16_t backend) {
  const auto cid = QuicLbConfig(kServerIdOctets, kNonceOctets, nullptr)
                       .encode(serverIdOf(backend), randomOctets(random, kNonceOctets), 0);
  return {cid.begin(), cid.begin() + kRoutableCidOctets};
}

/// A fresh ID of the same server, as a client uses it when it moves on purpose.
inline Octets freshNonce(Random& random, Octets cid) {
  const Octets nonce = randomOctets(random, kNonceOctets);
  std::memcpy(cid.data() + 1 + kServerIdOctets, nonce.data(), nonce.size());
  return cid;
}

inline Octets cidOf(uint64_t connection) {
  Octets cid(sizeof connection);
  std::memcpy(cid.data(), &connection, sizeof connection);
  return cid;
}

/// Writes from `at` on; returns where the next octets go.
inline size_t put(Octets& datagram, size_t at, const Octets& octets) {
  std::memcpy(datagram.data() + at, octets.data(), octets.size());
  return at + octets.size();
}

/// Zeroes with a note at the end: `size` octets, or as many as header and note take.
inline Octets blank(size_t size, size_t headerOctets, const Note& note) {
  Octets datagram(std::max(size, headerOctets + sizeof note));
  std::memcpy(datagram.data() + datagram.size() - sizeof note, &note, sizeof note);
  return datagram;
}

inline Octets longHeader(const Octets& dcid, const Octets& scid, size_t size, const Note& note) {
  Octets datagram = blank(size, 7 + dcid.size() + scid.size(), note);
  datagram[0] = 0xc0;
  datagram[4] = 1;
  datagram[5] = static_cast<uint8_t>(dcid.size());
  const size_t at = put(datagram, 6, dcid);
  datagram[at] = static_cast<uint8_t>(scid.size());
  put(datagram, at + 1, scid);
  return datagram;
}

inline Octets shortHeader(const Octets& dcid, size_t size, const Note& note) {
  Octets datagram = blank(size, 1 + dcid.size(), note);
  datagram[0] = 0x40;
  put(datagram, 1, dcid);
  return datagram;
}

inline std::optional<Note> noteOf(std::span<const uint8_t> datagram) {
  Note note;
  if (datagram.size() < sizeof note) return std::nullopt;
  std::memcpy(&note, datagram.data() + datagram.size() - sizeof note, sizeof note);
  return note.magic == Note::kMagic ? std::optional(note) : std::nullopt;
}

/// The Connection ID that the sender of a long header chose; none in a short one.
inline std::optional<Octets> scidOf(std::span<const uint8_t> datagram) {
  if ((datagram[0] & 0x80) == 0) return std::nullopt;
  const size_t at = size_t{7} + datagram[5];
  const size_t length = datagram[at - 1];
  return Octets(datagram.begin() + static_cast<long>(at), datagram.begin() + static_cast<long>(at + length));
}

/// 127.0.0.1 or ::1 as contracts have it.
inline void writeLoopback(uint8_t (&address)[16], uint8_t family) {
  std::memset(address, 0, sizeof address);
  if (family == 4) address[0] = 127;
  address[family == 4 ? 3 : 15] = 1;
}

[[nodiscard]] inline SocketAddress loopback(uint8_t family, uint16_t port) {
  uint8_t address[16];
  writeLoopback(address, family);
  return SocketAddress::from(address, family, port);
}

/// In one message that the kernel cuts; all but the last have one size. Returns the datagrams that the kernel took.
inline uint64_t sendTrain(int fd, const SocketAddress& to, const std::vector<Octets>& datagrams) {
  Octets payload;
  for (const Octets& datagram : datagrams) payload.insert(payload.end(), datagram.begin(), datagram.end());
  iovec vector{payload.data(), payload.size()};
  alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(uint16_t))> control{};
  SocketAddress address = to;
  msghdr message{&address.any, address.length, &vector, 1, nullptr, 0, 0};
  if (datagrams.size() > 1) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* segment = CMSG_FIRSTHDR(&message);
    segment->cmsg_level = SOL_UDP;
    segment->cmsg_type = UDP_SEGMENT;
    segment->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    const auto bytes = static_cast<uint16_t>(datagrams.front().size());
    std::memcpy(CMSG_DATA(segment), &bytes, sizeof bytes);
  }
  return sendmsg(fd, &message, MSG_DONTWAIT) < 0 ? 0 : datagrams.size();
}

}  // namespace quicproxy::soak
