#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "client.h"
#include "conservation.h"
#include "echo_backends.h"
#include "io/clock.h"
#include "own_network.h"
#include "reload_storm.h"

/*
 * Workers, backends and clients in one process, under reloads without end: what ThreadSanitizer watches.
 *
 *   worker_soak [--seconds=20]   of all upstream levels and modes together
 */
namespace quicproxy::soak {
namespace {

uint32_t secondsInAll = 20;

/// Above the source ports of RawSend, below those of the kernel: no client and no flow takes one while it is closed.
constexpr std::array<uint16_t, kListeners> kPorts{31003, 31013, 31023, 31033};
constexpr int kMaxPauseMs = 8;
constexpr size_t kClients = 2;
constexpr uint64_t kEnoughExchanges = 2000;

/// Another process's view of the counters: read while workers write.
class Onlooker {
 public:
  Onlooker(const Presence& presence, std::shared_ptr<CounterRegion> region)
      : presence_(presence), region_(std::move(region)), thread_([this] { run(); }) {}

  /// False if a counter ever went back.
  bool join() {
    thread_.join();
    return monotonic_;
  }

 private:
  void run() {
    uint64_t seen = 0;
    while (!presence_.stopping) {
      const uint64_t now = CounterSums(*region_).of("receive_datagrams");
      monotonic_ = monotonic_ && now >= seen;
      seen = now;
      poll(nullptr, 0, 20);
    }
  }

  const Presence& presence_;
  std::shared_ptr<CounterRegion> region_;
  bool monotonic_ = true;
  std::thread thread_;
};

struct Totals {
  uint64_t sent = 0;
  uint64_t received = 0;
};

class Soak {
 public:
  void run(UpstreamLevel level, Mode mode = Mode::kRunToCompletion) {
    ASSERT_TRUE(backends_.ready());
    auto started = DataPlane::start(storm_.contract(level, mode));
    ASSERT_FALSE(std::holds_alternative<Failure>(started)) << std::get<Failure>(started).detail;
    plane_ = std::get<std::unique_ptr<DataPlane>>(std::move(started));
    status_ = plane_->status();
    load();
    report();
    expectConservation();
    expectLoad();
  }

  [[nodiscard]] const DataPlaneStatus& status() const { return status_; }

 private:
  void load() {
    backends_.start();
    Onlooker onlooker(presence_, plane_->counters());
    for (auto& client : clients_) client->start();
    for (const uint32_t since = monotonicMs(); monotonicMs() - since < levelMs_;) {
      storm_.step(*plane_);
      poll(nullptr, 0, static_cast<int>(random_() / 7 % kMaxPauseMs));
    }
    presence_.stopping = true;
    for (auto& client : clients_) figures_.push_back(client->join());
    EXPECT_TRUE(onlooker.join()) << "a counter went back";
    backends_.stop();
    plane_->stop();
  }

  void report() {
    std::printf("%s, steering %s, %u workers, %u ms\n", status_.upstreamLevel, status_.steering, status_.workers,
                levelMs_);
    const ReloadStorm::Figures& storm = storm_.figures();
    std::printf("  contracts applied %lu, postponed %lu; samples %lu\n", storm.applied, storm.postponed, storm.samples);
    for (const Client::Figures& one : figures_) {
      std::printf(
          "  client: sent %lu in %lu trains and more, received %lu, exchanges %lu, connections %lu, rebindings %lu, "
          "migrations %lu, timeouts %lu, judged %lu, excused %lu, strays %lu\n",
          one.sent, one.trains, one.received, one.exchanges, one.connections, one.rebindings, one.migrations,
          one.timeouts, one.judged, one.excused, one.strays);
    }
    std::printf("%s", CounterSums(*plane_->counters()).text().c_str());
  }

  void expectConservation() {
    const CounterSums sums(*plane_->counters());
    const uint64_t received = sums.of("receive_datagrams");
    EXPECT_EQ(received, sums.outcomes("hand_off") + sums.outcomes("parse"));
    EXPECT_EQ(sums.outcomes("parse"), sums.outcomes("route"));
    EXPECT_EQ(sums.outcomes("route") - sums.outcomes("route", "dropped"), sums.outcomes("forward"));
    EXPECT_EQ(sums.of("return_received"), sums.outcomes("return"));
    Totals clients;
    for (const Client::Figures& one : figures_) {
      clients.sent += one.sent;
      clients.received += one.received;
    }
    EXPECT_LE(received, clients.sent);
    EXPECT_LE(backends_.received(), sums.of("forward_sent"));
    EXPECT_LE(sums.of("return_received"), backends_.sent());
    EXPECT_LE(clients.received, sums.of("return_sent"));
  }

  /// That there was something to watch, and that it went right.
  void expectLoad() {
    for (const std::string& failure : storm_.figures().failures) ADD_FAILURE() << failure;
    EXPECT_GT(storm_.figures().applied, 0U);
    EXPECT_GT(storm_.figures().samples, 0U);
    Client::Figures all;
    for (const Client::Figures& one : figures_) {
      for (const std::string& violation : one.violations) ADD_FAILURE() << violation;
      all.exchanges += one.exchanges;
      all.judged += one.judged;
      all.trains += one.trains;
      all.rebindings += one.rebindings;
      all.migrations += one.migrations;
    }
    EXPECT_GT(all.judged, 0U);
    EXPECT_GT(all.trains, 0U);
    // One exchange in 60 or so rebinds or migrates: a machine that got through few leaves it to chance.
    if (all.exchanges < kEnoughExchanges) return;
    EXPECT_GT(all.rebindings, 0U);
    EXPECT_GT(all.migrations, 0U);
  }

  /// The time is shared by the tests that are asked for.
  uint32_t levelMs_ =
      secondsInAll * 1000 / static_cast<uint32_t>(std::max(1, testing::UnitTest::GetInstance()->test_to_run_count()));
  Presence presence_;
  EchoBackends backends_;
  ReloadStorm storm_{presence_, backends_, kPorts};
  std::array<std::unique_ptr<Client>, kClients> clients_{std::make_unique<Client>(presence_, kPorts, 1),
                                                         std::make_unique<Client>(presence_, kPorts, 2)};
  Random random_{3};
  std::unique_ptr<DataPlane> plane_;
  DataPlaneStatus status_{};
  std::vector<Client::Figures> figures_;
};

TEST(WorkerSoak, RawSend) {
  const std::string level = "RawSend";
  Soak soak;
  soak.run(UpstreamLevel::kAuto);
  if (soak.status().upstreamLevel != level) GTEST_SKIP() << soak.status().upstreamReason;
}

TEST(WorkerSoak, ConnectedSocketPool) {
  Soak soak;
  soak.run(UpstreamLevel::kSockets);
  EXPECT_STREQ(soak.status().upstreamLevel, "ConnectedSocketPool");
}

TEST(WorkerSoak, Decoupled) {
  Soak soak;
  soak.run(UpstreamLevel::kAuto, Mode::kDecoupled);
}

}  // namespace
}  // namespace quicproxy::soak

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const std::string option = "--seconds=";
  for (int i = 1; i < argc; i++) {
    const std::string argument = argv[i];
    const long seconds = argument.starts_with(option) ? std::atol(argument.c_str() + option.size()) : 0;
    if (seconds < 1 || seconds > 86400) {
      std::fprintf(stderr, "worker_soak: %s is not --seconds=<1..86400>, the time for all upstream levels and modes\n",
                   argv[i]);
      return 2;
    }
    quicproxy::soak::secondsInAll = static_cast<uint32_t>(seconds);
  }
  const std::string shared = quicproxy::soak::takeOwnNetwork();
  if (!shared.empty()) std::printf("no network of its own (%s): ports are shared with this host\n", shared.c_str());
  return RUN_ALL_TESTS();
}
