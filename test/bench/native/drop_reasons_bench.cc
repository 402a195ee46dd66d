// drop_reasons_bench [ROUNDS]
//
// What counting drop reasons costs: CPU time of a thread that sends to a socket on the loopback of a network namespace
// of its own, which has the datagram in the same call. Rounds with and without the program take turns; the medians of
// their differences are printed as one JSON object, in nanoseconds for each datagram. Needs root.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "drop_reasons/drop_reasons.h"

namespace quicproxy {
namespace {

constexpr uint16_t kPort = 4433;
constexpr int kDatagrams = 20'000;
constexpr double kNanosPerSecond = 1e9;

double cpuNanos() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * kNanosPerSecond + static_cast<double>(now.tv_nsec);
}

/// A sender and the socket that it sends to.
struct Pair {
  FileDescriptor sender{socket(AF_INET, SOCK_DGRAM, 0)};
  FileDescriptor receiver{socket(AF_INET, SOCK_DGRAM, 0)};

  Pair() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(kPort);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* name = reinterpret_cast<const sockaddr*>(&address);
    if (bind(receiver.get(), name, sizeof address) != 0 || connect(sender.get(), name, sizeof address) != 0) {
      std::abort();
    }
  }

  void drain() const {
    char octet = 0;
    while (recv(receiver.get(), &octet, 1, MSG_DONTWAIT) >= 0) {
    }
  }
};

double nanosPerDropped(const Pair& pair) {
  while (recv(pair.receiver.get(), nullptr, 0, MSG_DONTWAIT | MSG_PEEK) < 0) send(pair.sender.get(), "x", 1, 0);
  for (int i = 0; i < 1'000; i++) send(pair.sender.get(), "x", 1, 0);
  const double before = cpuNanos();
  for (int i = 0; i < kDatagrams; i++) send(pair.sender.get(), "x", 1, 0);
  const double after = cpuNanos();
  pair.drain();
  return (after - before) / kDatagrams;
}

double nanosPerDelivered(const Pair& pair) {
  char octet = 0;
  const double before = cpuNanos();
  for (int i = 0; i < kDatagrams; i++) {
    send(pair.sender.get(), "x", 1, 0);
    recv(pair.receiver.get(), &octet, 1, 0);
  }
  return (cpuNanos() - before) / kDatagrams;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

struct Cost {
  std::vector<double> without;
  std::vector<double> difference;

  void add(double base, double watched) {
    without.push_back(base);
    difference.push_back(watched - base);
  }
};

int run(int rounds) {
  struct stat self{};
  if (unshare(CLONE_NEWNET) != 0 || std::system("ip link set lo up") != 0 ||
      stat("/proc/thread-self/ns/net", &self) != 0) {
    std::fprintf(stderr, "drop_reasons_bench: needs root, for a network namespace of its own\n");
    return 1;
  }
  const std::array namespaces{static_cast<uint32_t>(self.st_ino)};
  const std::array ports{kPort};
  const Pair pair;
  Cost dropped;
  Cost delivered;
  for (int round = 0; round < rounds; round++) {
    const double droppedBase = nanosPerDropped(pair);
    const double deliveredBase = nanosPerDelivered(pair);
    auto attached = DropReasons::attach({.namespaces = namespaces, .ports = ports});
    if (const auto* refusal = std::get_if<DropReasonsRefusal>(&attached)) {
      std::fprintf(stderr, "drop_reasons_bench: %s\n", refusal->why.c_str());
      return 1;
    }
    dropped.add(droppedBase, nanosPerDropped(pair));
    delivered.add(deliveredBase, nanosPerDelivered(pair));
  }
  std::printf(
      "{\"droppedNanos\":%.0f,\"moreForEachDropped\":%.0f,\"deliveredNanos\":%.0f,\"moreForEachDelivered\":%.0f}\n",
      median(dropped.without), median(dropped.difference), median(delivered.without), median(delivered.difference));
  return 0;
}

}  // namespace
}  // namespace quicproxy

int main(int count, char** arguments) {
  constexpr int kRounds = 21;
  return quicproxy::run(count > 1 ? std::max(1, std::atoi(arguments[1])) : kRounds);
}
