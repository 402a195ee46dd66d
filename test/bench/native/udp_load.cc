// udp_load ADDRESS PORT FIRST_SOURCE FLOWS RATE COUNT BURST TRAIN
//
// Sends COUNT datagrams of 1,200 octets at RATE per second, BURST at a time, and waits for the echo of each. TRAIN of
// them in a row are of one flow and leave as one buffer (UDP_SEGMENT). Flow n comes from the source address
// FIRST_SOURCE
// + n, which must be local (an AnyIP route makes it so), always from the same port: another run is the same flows. As
// many trains as there are flows reach each flow once, in an order that strides over them, so that no cache or
// prefetcher knows the next; where a run begins is by chance. Prints one JSON object with counts and round-trip times
// in microseconds.
//
//    0      1 ........ 8   9 ...... 16   17 ... 20   21 ........ 1199
//   0x40   CID of the flow  sent at, ns   run's id    padding

#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <numeric>
#include <vector>

#include "train_batch.h"

namespace quicproxy::bench {
namespace {

/// One QUIC packet of the usual size on a path of 1,500 octets, as UDP payload.
constexpr size_t kDatagramBytes = 1200;
constexpr size_t kMostTrain = kMessageBytes / kDatagramBytes;
constexpr size_t kHeaderBytes = 21;
constexpr uint16_t kSourcePort = 40'000;
constexpr uint64_t kNanosPerSecond = 1'000'000'000;
/// How long the echoes of the last datagrams are waited for.
constexpr uint64_t kDrainNs = 500'000'000;
constexpr uint8_t kShortHeader = 0x40;
/// A prime that divides none of the usual numbers of flows.
constexpr uint64_t kStride = 7'919;

struct Plan {
  sockaddr_in target;
  uint32_t firstSource;
  uint32_t flows;
  uint64_t rate;
  uint64_t count;
  uint64_t burst;
  uint64_t train;
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
  Load(int fd, const Plan& plan)
      : fd_(fd),
        plan_(plan),
        runId_(static_cast<uint32_t>(nowNs())),
        flow_(runId_ % plan.flows),
        stride_(std::gcd(kStride, plan.flows) == 1 ? kStride % plan.flows : 1) {
    roundTripsUs_.reserve(plan.count);
    for (size_t i = 0; i < kBatch; ++i) {
      outgoing_.sendTo(i, plan_.target);
      incoming_.prepareReceive(i);
    }
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
                 ? 0.0F
                 : roundTripsUs_[static_cast<size_t>(share * static_cast<double>(roundTripsUs_.size() - 1))];
    };
    std::printf(
        "{\"sent\": %llu, \"received\": %zu, \"failed\": %llu, \"seconds\": %.3f, \"p50Us\": %.1f, \"p99Us\": %.1f, "
        "\"cpuUs\": %.0f}\n",
        static_cast<unsigned long long>(sent_), roundTripsUs_.size(), static_cast<unsigned long long>(failed_),
        static_cast<double>(tookNs_) / kNanosPerSecond, static_cast<double>(quantile(0.5)),
        static_cast<double>(quantile(0.99)), cpuUs());
  }

 private:
  /// Whole trains; the last of all may be shorter.
  void send(uint64_t due, uint64_t now) {
    if (sent_ + due < plan_.count) due -= due % plan_.train;
    while (due > 0) {
      unsigned messages = 0;
      uint64_t datagrams = 0;
      for (; messages < kBatch && datagrams < due; ++messages) {
        const uint64_t train = std::min(plan_.train, due - datagrams);
        fill(messages, train, now);
        datagrams += train;
      }
      for (unsigned first = 0; first < messages;) {
        const int sent = sendmmsg(fd_, outgoing_.messages(first), messages - first, 0);
        if (sent <= 0) failed_ += plan_.train;
        first += sent > 0 ? static_cast<unsigned>(sent) : 1;
      }
      sent_ += datagrams;
      due -= datagrams;
    }
  }

  void fill(size_t index, uint64_t train, uint64_t now) {
    const uint64_t cid = connectionId(static_cast<uint32_t>(flow_));
    std::array<uint8_t, kHeaderBytes> header{kShortHeader};
    std::memcpy(&header[1], &cid, sizeof cid);
    std::memcpy(&header[9], &now, sizeof now);
    std::memcpy(&header[17], &runId_, sizeof runId_);
    for (uint64_t i = 0; i < train; ++i) {
      std::memcpy(outgoing_.payload(index) + i * kDatagramBytes, header.data(), header.size());
    }
    const in_addr from{htonl(plan_.firstSource + static_cast<uint32_t>(flow_))};
    outgoing_.prepareSend(index, from, train * kDatagramBytes, kDatagramBytes);
    flow_ = (flow_ + stride_) % plan_.flows;
  }

  void receive() {
    for (;;) {
      const int received = recvmmsg(fd_, incoming_.messages(), kBatch, MSG_DONTWAIT, nullptr);
      const uint64_t now = nowNs();
      for (int i = 0; i < received; ++i) {
        recordTrain(static_cast<size_t>(i), now);
        incoming_.prepareReceive(static_cast<size_t>(i));
      }
      if (received < static_cast<int>(kBatch)) return;
    }
  }

  void recordTrain(size_t index, uint64_t now) {
    if (incoming_.datagramBytes(index) != kDatagramBytes) return;
    for (size_t at = 0; at + kDatagramBytes <= incoming_.bytes(index); at += kDatagramBytes) {
      record(incoming_.payload(index) + at, now);
    }
  }

  /// An echo of an earlier run, late, is not one of this run.
  void record(const uint8_t* datagram, uint64_t now) {
    uint32_t runId = 0;
    uint64_t sentNs = 0;
    std::memcpy(&runId, datagram + 17, sizeof runId);
    std::memcpy(&sentNs, datagram + 9, sizeof sentNs);
    if (runId != runId_ || roundTripsUs_.size() >= plan_.count) return;
    roundTripsUs_.push_back(static_cast<float>(now - sentNs) / 1000.0F);
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
  uint64_t flow_;
  uint64_t stride_;
  uint64_t sent_ = 0;
  uint64_t failed_ = 0;
  uint64_t tookNs_ = 0;
  std::vector<float> roundTripsUs_;
  TrainBatch outgoing_;
  TrainBatch incoming_;
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
  plan.target.sin_port = htons(static_cast<uint16_t>(parseNumber(argv[2], 1, 65'535)));
  plan.firstSource = ntohl(parseAddress(argv[3]).s_addr);
  plan.flows = static_cast<uint32_t>(parseNumber(argv[4], 1, 1'048'000));
  plan.rate = parseNumber(argv[5], 1, 10'000'000);
  plan.count = parseNumber(argv[6], 1, 100'000'000);
  plan.burst = parseNumber(argv[7], 1, 1024);
  plan.train = parseNumber(argv[8], 1, kMostTrain);
  plan.burst = std::max(plan.burst, plan.train);
  return plan;
}

}  // namespace
}  // namespace quicproxy::bench

int main(int argc, char** argv) {
  using namespace quicproxy::bench;
  if (argc != 9) {
    std::fprintf(stderr, "usage: udp_load ADDRESS PORT FIRST_SOURCE FLOWS RATE COUNT BURST TRAIN\n");
    return 2;
  }
  // The default of 50 us would turn the fixed rate into small bursts.
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  static Load load(openSocket(kSourcePort), parsePlan(argv));
  load.run();
  load.report();
}
