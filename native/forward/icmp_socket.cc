#include "forward/icmp_socket.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace quicproxy {

namespace {

/// Messages that one call skips: a worker must get back to its datagrams.
constexpr int kMaxSkipped = 64;

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

IcmpSocket::IcmpSocket(bool v6, uint16_t first, uint16_t last)
    : v6_(v6),
      fd_(socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                 v6 ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP})) {
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
