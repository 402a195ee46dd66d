// udp_echo PORT SECONDS: sends every datagram back to where it came from, from the address to which it came; a train
// that arrived together leaves together. Ends after SECONDS.

#include <unistd.h>

#include <cerrno>

#include "train_batch.h"

namespace quicproxy::bench {
namespace {

void answer(int fd, TrainBatch& batch, unsigned received) {
  for (unsigned i = 0; i < received; ++i) {
    batch.prepareSend(i, batch.receivedAt(i), batch.bytes(i), batch.datagramBytes(i));
  }
  for (unsigned first = 0; first < received;) {
    const int sent = sendmmsg(fd, batch.messages(first), received - first, 0);
    // What cannot be sent is a loss that the load generator sees.
    first += sent > 0 ? static_cast<unsigned>(sent) : 1;
  }
  for (unsigned i = 0; i < received; ++i) batch.prepareReceive(i);
}

[[noreturn]] void echo(int fd) {
  static TrainBatch batch;
  for (size_t i = 0; i < kBatch; ++i) batch.prepareReceive(i);
  for (;;) {
    const int received = recvmmsg(fd, batch.messages(), kBatch, MSG_WAITFORONE, nullptr);
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
  alarm(static_cast<unsigned>(parseNumber(argv[2], 1, 86'400)));
  echo(openSocket(static_cast<uint16_t>(parseNumber(argv[1], 1, 65'535))));
}
