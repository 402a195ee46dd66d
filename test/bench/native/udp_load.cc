// udp_load ADDRESS PORT FIRST_SOURCE FLOWS RATE COUNT BURST
//
// Sends COUNT datagrams of 1,200 octets at RATE per second, BURST at a time, and waits for the echo of each. Flow n
// comes from the source address FIRST_SOURCE + n, which must be local (an AnyIP route makes it so), always from the
// same port: another run is the same flows. Prints one JSON object with counts and round-trip times in microseconds.
//
//    0      1 ........ 8   9 ...... 16   17 ... 20   21 ........ 1199
//   0x40   CID of the flow  sent at, ns   run's id    padding

#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <vector>

#include "udp_socket.h"

namespace quicproxy::bench {
namespace {

constexpr uint16_t kSourcePort = 40'000;
constexpr uint64_t kNanosPerSecond = 1'000'000'000;
/// How long the echoes of the last datagrams are waited for.
constexpr uint64_t kDrainNs = 500'000'000;
constexpr uint8_t kShortHeader = 0x40;

struct Plan {
  sockaddr_in target;
  uint32_t firstSource;
  uint32_t flows;
  uint64_t rate;
  uint64_t count;
  uint64_t burst;
};

uint64_t nowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kNanosPerSecond + static_cast<uint64_t>(now.tv_nsec);
}

/// The finaliser of SplitMix64: Connection IDs look random and are the same in every run.
uint64_t connectionId(uint32_t flow) {
  uint64_t x = (flow + uint64_t{1}) * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

double cpuUs() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto micros = [](const timeval& time) {
    return 1e6 * static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec);
  };
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

class Load {
 public:
  Load(int fd, const Plan& plan) : fd_(fd), plan_(plan), runId_(static_cast<uint32_t>(nowNs())) {
    roundTripsUs_.reserve(plan.count);
    for (size_t i = 0; i < kBatch; ++i) prepare(i);
  }

  void run() {
    const uint64_t startNs = nowNs();
    while (sent_ < plan_.count) {
      const uint64_t now = nowNs();
      const uint64_t due = std::min(plan_.count, (now - startNs) * plan_.rate / kNanosPerSecond);
      if (due >= sent_ + plan_.burst || (due == plan_.count && due > sent_)) send(due - sent_, now);
      receive();
      const uint64_t nextNs = startNs + std::min(plan_.count, sent_ + plan_.burst) * kNanosPerSecond / plan_.rate;
      waitUntil(nextNs + 1);
    }
    tookNs_ = nowNs() - startNs;
    const uint64_t endNs = nowNs() + kDrainNs;
    while (roundTripsUs_.size() < sent_ && nowNs() < endNs) {
      waitUntil(endNs);
      receive();
    }
  }

  void report() {
    std::sort(roundTripsUs_.begin(), roundTripsUs_.end());
    const auto quantile = [this](double share) {
      return roundTripsUs_.empty()
                 ? 0.0
                 : roundTripsUs_[static_cast<size_t>(share * static_cast<double>(roundTripsUs_.size() - 1))];
    };
    std::printf(
        "{\"sent\": %llu, \"received\": %zu, \"failed\": %llu, \"seconds\": %.3f, \"p50Us\": %.1f, \"p99Us\": %.1f, "
        "\"cpuUs\": %.0f}\n",
        static_cast<unsigned long long>(sent_), roundTripsUs_.size(), static_cast<unsigned long long>(failed_),
        static_cast<double>(tookNs_) / kNanosPerSecond, quantile(0.5), quantile(0.99), cpuUs());
  }

 private:
  struct Control {
    alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(in_pktinfo))> octets;
  };

  void prepare(size_t index) {
    outgoing_[index][0] = kShortHeader;
    std::memcpy(&outgoing_[index][17], &runId_, sizeof runId_);
    sendVectors_[index] = {outgoing_[index].data(), kDatagramBytes};
    receiveVectors_[index] = {incoming_[index].data(), incoming_[index].size()};
    receives_[index].msg_hdr.msg_iov = &receiveVectors_[index];
    receives_[index].msg_hdr.msg_iovlen = 1;
    msghdr& header = sends_[index].msg_hdr;
    header.msg_name = &plan_.target;
    header.msg_namelen = sizeof plan_.target;
    header.msg_iov = &sendVectors_[index];
    header.msg_iovlen = 1;
    header.msg_control = controls_[index].octets.data();
    header.msg_controllen = controls_[index].octets.size();
    cmsghdr* control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = IPPROTO_IP;
    control->cmsg_type = IP_PKTINFO;
    control->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  }

  void address(size_t index, uint32_t flow, uint64_t now) {
    const uint64_t cid = connectionId(flow);
    std::memcpy(&outgoing_[index][1], &cid, sizeof cid);
    std::memcpy(&outgoing_[index][9], &now, sizeof now);
    in_pktinfo info{};
    info.ipi_spec_dst.s_addr = htonl(plan_.firstSource + flow);
    std::memcpy(CMSG_DATA(CMSG_FIRSTHDR(&sends_[index].msg_hdr)), &info, sizeof info);
  }

  void send(uint64_t due, uint64_t now) {
    while (due > 0) {
      const auto count = static_cast<unsigned>(std::min<uint64_t>(due, kBatch));
      for (unsigned i = 0; i < count; ++i) address(i, static_cast<uint32_t>((sent_ + i) % plan_.flows), now);
      for (unsigned first = 0; first < count;) {
        const int sent = sendmmsg(fd_, &sends_[first], count - first, 0);
        if (sent <= 0) ++failed_;
        first += sent > 0 ? static_cast<unsigned>(sent) : 1;
      }
      sent_ += count;
      due -= count;
    }
  }

  void receive() {
    for (;;) {
      const int received = recvmmsg(fd_, receives_.data(), kBatch, MSG_DONTWAIT, nullptr);
      const uint64_t now = nowNs();
      for (int i = 0; i < received; ++i) record(static_cast<size_t>(i), now);
      if (received < static_cast<int>(kBatch)) return;
    }
  }

  /// An echo of an earlier run, late, is not one of this run.
  void record(size_t index, uint64_t now) {
    uint32_t runId = 0;
    uint64_t sentNs = 0;
    std::memcpy(&runId, &incoming_[index][17], sizeof runId);
    std::memcpy(&sentNs, &incoming_[index][9], sizeof sentNs);
    if (receives_[index].msg_len != kDatagramBytes || runId != runId_) return;
    if (roundTripsUs_.size() < plan_.count) roundTripsUs_.push_back(static_cast<double>(now - sentNs) / 1000.0);
  }

  void waitUntil(uint64_t untilNs) {
    const uint64_t now = nowNs();
    if (untilNs <= now) return;
    const uint64_t restNs = untilNs - now;
    const timespec rest{static_cast<time_t>(restNs / kNanosPerSecond), static_cast<long>(restNs % kNanosPerSecond)};
    pollfd waited{fd_, POLLIN, 0};
    ppoll(&waited, 1, &rest, nullptr);
  }

  int fd_;
  Plan plan_;
  uint32_t runId_;
  uint64_t sent_ = 0;
  uint64_t failed_ = 0;
  uint64_t tookNs_ = 0;
  std::vector<double> roundTripsUs_;
  std::array<std::array<uint8_t, kDatagramBytes>, kBatch> outgoing_{};
  std::array<std::array<uint8_t, 2048>, kBatch> incoming_{};
  std::array<iovec, kBatch> sendVectors_{};
  std::array<iovec, kBatch> receiveVectors_{};
  std::array<Control, kBatch> controls_{};
  std::array<mmsghdr, kBatch> sends_{};
  std::array<mmsghdr, kBatch> receives_{};
};

in_addr parseAddress(const char* text) {
  in_addr address{};
  if (inet_pton(AF_INET, text, &address) == 1) return address;
  std::fprintf(stderr, "%s: allowed is an IPv4 address\n", text);
  std::exit(2);
}

Plan parsePlan(char** argv) {
  Plan plan{};
  plan.target.sin_family = AF_INET;
  plan.target.sin_addr = parseAddress(argv[1]);
  plan.target.sin_port = htons(static_cast<uint16_t>(parseNumber(argv[2], 65'535)));
  plan.firstSource = ntohl(parseAddress(argv[3]).s_addr);
  plan.flows = static_cast<uint32_t>(std::max<uint64_t>(1, parseNumber(argv[4], 65'000)));
  plan.rate = std::max<uint64_t>(1, parseNumber(argv[5], 10'000'000));
  plan.count = parseNumber(argv[6], 100'000'000);
  plan.burst = std::max<uint64_t>(1, parseNumber(argv[7], 1024));
  return plan;
}

}  // namespace
}  // namespace quicproxy::bench

int main(int argc, char** argv) {
  using namespace quicproxy::bench;
  if (argc != 8) {
    std::fprintf(stderr, "usage: udp_load ADDRESS PORT FIRST_SOURCE FLOWS RATE COUNT BURST\n");
    return 2;
  }
  // The default of 50 us would turn the fixed rate into small bursts.
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  static Load load(openSocket(kSourcePort), parsePlan(argv));
  load.run();
  load.report();
}
