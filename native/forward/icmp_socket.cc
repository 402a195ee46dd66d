#include "forward/icmp_socket.h"

#include <linux/filter.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "io/socket_address.h"

namespace quicproxy {

namespace {

constexpr size_t kIcmpHeaderBytes = 8;
constexpr size_t kUdpHeaderBytes = 8;
constexpr size_t kUdpLengthAt = 4;

/// Messages that one call skips: a worker must get back to its datagrams.
constexpr int kMaxSkipped = 64;

uint16_t port(std::span<const uint8_t> octets) { return static_cast<uint16_t>(octets[0] << 8 | octets[1]); }

size_t headerBytes(uint8_t versionAndLength) { return size_t{4} * (versionAndLength & 15); }

/// A UDP datagram from a header on whose length is known.
struct Quoted {
  FourTuple path;
  std::span<const uint8_t> udp;
};

std::optional<Quoted> quotedV4(std::span<const uint8_t> quoted) {
  if (quoted.size() < sizeof(iphdr)) return std::nullopt;
  iphdr ip;
  std::memcpy(&ip, quoted.data(), sizeof ip);
  const size_t ipBytes = headerBytes(quoted[0]);
  const bool isFirstFragment = (ntohs(ip.frag_off) & IP_OFFMASK) == 0;
  if (ip.version != 4 || ip.protocol != IPPROTO_UDP || !isFirstFragment) return std::nullopt;
  if (ipBytes < sizeof ip || quoted.size() < ipBytes + kUdpHeaderBytes) return std::nullopt;
  FourTuple path{};
  mapAddress(path.local, in_addr{ip.saddr});
  mapAddress(path.remote, in_addr{ip.daddr});
  path.setLocalPort(port(quoted.subspan(ipBytes)));
  path.setRemotePort(port(quoted.subspan(ipBytes + 2)));
  return Quoted{path, quoted.subspan(ipBytes)};
}

std::optional<Quoted> quotedV6(std::span<const uint8_t> quoted) {
  constexpr size_t kIpBytes = 40;
  constexpr size_t kNextHeaderAt = 6;
  if (quoted.size() < kIpBytes + kUdpHeaderBytes || quoted[0] >> 4 != 6) return std::nullopt;
  if (quoted[kNextHeaderAt] != IPPROTO_UDP) return std::nullopt;
  FourTuple path{};
  std::memcpy(path.local, quoted.data() + 8, 16);
  std::memcpy(path.remote, quoted.data() + 24, 16);
  path.setLocalPort(port(quoted.subspan(kIpBytes)));
  path.setRemotePort(port(quoted.subspan(kIpBytes + 2)));
  return Quoted{path, quoted.subspan(kIpBytes)};
}

std::optional<IcmpError::Kind> kindOf(uint8_t type, uint8_t code, bool v6) {
  if (v6) {
    if (type == ICMP6_PACKET_TOO_BIG) return IcmpError::Kind::kTooBig;
    if (type == ICMP6_DST_UNREACH) return IcmpError::Kind::kUnreachable;
    return std::nullopt;
  }
  if (type != ICMP_DEST_UNREACH) return std::nullopt;
  return code == ICMP_FRAG_NEEDED ? IcmpError::Kind::kTooBig : IcmpError::Kind::kUnreachable;
}

/// In the kernel, so that errors of other programs cost this one nothing.
bool filterPorts(int fd, bool v6, uint16_t first, uint16_t last) {
  // Offsets from the start of what parseIcmpError gets.
  sock_filter v4Code[] = {
      BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),            // X: octets of the outer IP header
      BPF_STMT(BPF_LD | BPF_B | BPF_IND, 8),             // the quoted header's length
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 15),           //
      BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 2),            //
      BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),            //
      BPF_STMT(BPF_MISC | BPF_TAX, 0),                   //
      BPF_STMT(BPF_LD | BPF_H | BPF_IND, 8),             // the quoted source port
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, 2),  //
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last, 1, 0),   //
      BPF_STMT(BPF_RET | BPF_K, 0xffff),                 //
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  sock_filter v6Code[] = {
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, kIcmpHeaderBytes + 40),  // the quoted source port
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, 2),           //
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last, 1, 0),            //
      BPF_STMT(BPF_RET | BPF_K, 0xffff),                          //
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  sock_fprog program{};
  program.filter = v6 ? v6Code : v4Code;
  program.len = static_cast<uint16_t>(v6 ? std::size(v6Code) : std::size(v4Code));
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

}  // namespace

std::optional<IcmpError> parseIcmpError(std::span<const uint8_t> message, bool v6) {
  if (message.empty()) return std::nullopt;
  const size_t outer = v6 ? 0 : headerBytes(message[0]);
  if (message.size() < outer + kIcmpHeaderBytes) return std::nullopt;
  const auto kind = kindOf(message[outer], message[outer + 1], v6);
  if (!kind) return std::nullopt;
  const std::span<const uint8_t> quoted = message.subspan(outer + kIcmpHeaderBytes);
  const auto datagram = v6 ? quotedV6(quoted) : quotedV4(quoted);
  if (!datagram) return std::nullopt;
  IcmpError error{*kind, datagram->path, 0, 0, {}};
  std::memcpy(&error.udp, datagram->udp.data() + kUdpLengthAt, sizeof error.udp);
  const std::span<const uint8_t> payload = datagram->udp.subspan(kUdpHeaderBytes);
  error.payloadBytes = static_cast<uint8_t>(std::min(payload.size(), error.payload.size()));
  // Of no octets there may be no address at all.
  if (error.payloadBytes != 0) std::memcpy(error.payload.data(), payload.data(), error.payloadBytes);
  return error;
}

IcmpSocket::IcmpSocket(bool v6, uint16_t first, uint16_t last)
    : v6_(v6),
      fd_(socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                 v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
  if (fd_ && !filterPorts(fd_.get(), v6, first, last)) fd_.reset();
}

std::optional<IcmpError> IcmpSocket::next() {
  // More than any router quotes (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4).
  uint8_t message[1500];
  for (int skipped = 0; skipped < kMaxSkipped; skipped++) {
    const ssize_t size = recv(fd_.get(), message, sizeof message, 0);
    if (size < 0) return std::nullopt;
    if (const auto error = parseIcmpError({message, static_cast<size_t>(size)}, v6_)) return error;
  }
  return std::nullopt;
}

}  // namespace quicproxy
