// udp_echo PORT SECONDS: sends every datagram back to where it came from; ends after SECONDS.

#include <unistd.h>

#include <array>
#include <cerrno>

#include "udp_socket.h"

namespace quicproxy::bench {
namespace {

struct Batch {
  std::array<std::array<uint8_t, 2048>, kBatch> payload;
  std::array<sockaddr_in, kBatch> names;
  std::array<iovec, kBatch> vectors;
  std::array<mmsghdr, kBatch> messages;

  void prepare(size_t index) {
    vectors[index] = {payload[index].data(), payload[index].size()};
    msghdr& header = messages[index].msg_hdr;
    header = {};
    header.msg_name = &names[index];
    header.msg_namelen = sizeof names[index];
    header.msg_iov = &vectors[index];
    header.msg_iovlen = 1;
  }
};

void answer(int fd, Batch& batch, unsigned received) {
  for (unsigned i = 0; i < received; ++i) batch.vectors[i].iov_len = batch.messages[i].msg_len;
  for (unsigned first = 0; first < received;) {
    const int sent = sendmmsg(fd, &batch.messages[first], received - first, 0);
    // What cannot be sent is a loss that the load generator sees.
    first += sent > 0 ? static_cast<unsigned>(sent) : 1;
  }
  for (unsigned i = 0; i < received; ++i) batch.prepare(i);
}

[[noreturn]] void echo(int fd) {
  static Batch batch;
  for (size_t i = 0; i < kBatch; ++i) batch.prepare(i);
  for (;;) {
    const int received = recvmmsg(fd, batch.messages.data(), kBatch, MSG_WAITFORONE, nullptr);
    if (received > 0) {
      answer(fd, batch, static_cast<unsigned>(received));
    } else if (errno != EINTR && errno != ECONNREFUSED) {
      fail("recvmmsg");
    }
  }
}

}  // namespace
}  // namespace quicproxy::bench

int main(int argc, char** argv) {
  using namespace quicproxy::bench;
  if (argc != 3) {
    std::fprintf(stderr, "usage: udp_echo PORT SECONDS\n");
    return 2;
  }
  alarm(static_cast<unsigned>(parseNumber(argv[2], 86'400)));
  echo(openSocket(static_cast<uint16_t>(parseNumber(argv[1], 65'535))));
}
