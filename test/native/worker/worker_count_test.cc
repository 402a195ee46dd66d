#include <sys/resource.h>

#include <atomic>
#include <deque>
#include <thread>
#include <utility>

#include "loopback_fixture.h"

namespace quicproxy {
namespace {

/// A backend that answers with its own port in front of what it got.
class NamedEcho {
 public:
  NamedEcho() : thread_([this] { run(); }) {}
  ~NamedEcho() {
    done_ = true;
    thread_.join();
  }
  [[nodiscard]] uint16_t port() const { return socket_.port(); }

 private:
  void run() {
    while (!done_) {
      auto seen = socket_.receive(10);
      if (!seen) continue;
      std::vector<uint8_t> answer{static_cast<uint8_t>(port() >> 8), static_cast<uint8_t>(port())};
      answer.insert(answer.end(), seen->payload.begin(), seen->payload.end());
      socket_.send(seen->fromPort, answer);
    }
  }

  LoopbackSocket socket_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

/// A client that has to be answered each time, and always by the backend that answered first.
class Client {
 public:
  explicit Client(uint8_t cid) : cid_(cid) {}

  ::testing::AssertionResult roundTrip(uint16_t port) {
    const std::vector<uint8_t> packet = shortPacket(cid_);
    if (!socket_.send(port, packet)) return ::testing::AssertionFailure() << "not sent";
    const auto answer = socket_.receive(10'000);
    if (!answer || answer->payload.size() != packet.size() + 2) return ::testing::AssertionFailure() << "no answer";
    const auto backend = static_cast<uint16_t>(answer->payload[0] << 8 | answer->payload[1]);
    if (backend_ == 0) backend_ = backend;
    if (backend == backend_) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "answered by " << backend << " instead of " << backend_;
  }

 private:
  LoopbackSocket socket_;
  uint8_t cid_;
  uint16_t backend_ = 0;
};

class WorkerCount : public testing::Test {
 protected:
  WorkerCount() : contract(unusedPort(), {backends[0].port(), backends[1].port(), backends[2].port()}) {
    contract.sample.header.workers = 1;
    contract.sample.header.flowMemoryBytes = 4 << 20;
    for (uint8_t i = 0; i < 30; i++) clients.emplace_back(i);
  }

  [[nodiscard]] uint16_t port() const { return contract.sample.endpoints[0].port; }

  void start() {
    plane = startOrFail(contract);
    ASSERT_NE(plane, nullptr);
  }
  void setWorkers(uint32_t workers) {
    contract.next().sample.header.workers = workers;
    const auto failure = plane->apply(contract.bytes());
    ASSERT_FALSE(failure) << failure->detail;
    EXPECT_EQ(plane->status().workers, workers);
  }
  void expectAllAnswered() {
    for (Client& client : clients) ASSERT_TRUE(client.roundTrip(port()));
  }
  [[nodiscard]] uint64_t received(uint32_t worker) const {
    return countersOf(*plane, Counter::receive_datagrams)[worker];
  }
  bool leavingEnd() {
    return eventually([this] {
      plane->tend();
      return plane->status().leavingWorkers == 0;
    });
  }

  NamedEcho backends[3];
  LoopbackContract contract;
  std::deque<Client> clients;
  std::unique_ptr<DataPlane> plane;
};

class WorkerCountInModes : public WorkerCount, public testing::WithParamInterface<Mode> {
 protected:
  WorkerCountInModes() { contract.sample.header.mode = GetParam(); }
};

INSTANTIATE_TEST_SUITE_P(Modes, WorkerCountInModes, testing::Values(Mode::kRunToCompletion, Mode::kDecoupled),
                         [](const auto& mode) {
                           return mode.param == Mode::kDecoupled ? "Decoupled" : "RunToCompletion";
                         });

TEST_P(WorkerCountInModes, GrowsAndShrinksUnderTrafficWithoutLossAndEveryFlowKeepsItsBackend) {
  start();
  expectAllAnswered();
  std::atomic<bool> done{false};
  std::thread traffic([&] {
    while (!done) {
      for (Client& client : clients) {
        const auto result = client.roundTrip(port());
        EXPECT_TRUE(result);
        if (!result) return;
      }
    }
  });
  for (const uint32_t workers : {4U, 2U, 3U, 1U, 4U, 2U}) {
    setWorkers(workers);
    const uint64_t before = counterOf(*plane, Counter::receive_datagrams);
    EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::receive_datagrams) > before + 60; }));
  }
  done = true;
  traffic.join();
}

TEST_P(WorkerCountInModes, NewWorkersGetTheirPartAndThoseThatLeaveGetNoneAnyMore) {
  start();
  setWorkers(4);
  const auto comes = [&](uint32_t worker) {
    const uint64_t before = received(worker);
    return eventually([&] {
      Client stranger(0xee);
      EXPECT_TRUE(stranger.roundTrip(port()));
      return received(worker) > before;
    });
  };
  for (uint32_t worker = 0; worker < 4; worker++) EXPECT_TRUE(comes(worker)) << "worker " << worker;
  setWorkers(2);
  const uint64_t third = received(2);
  const uint64_t fourth = received(3);
  for (int i = 0; i < 100; i++) {
    Client stranger(0xee);
    ASSERT_TRUE(stranger.roundTrip(port()));
  }
  EXPECT_EQ(received(2), third);
  EXPECT_EQ(received(3), fourth);
}

TEST_P(WorkerCountInModes, AWorkerThatLeftEndsWithItsLastFlowAndWhatItCountedStays) {
  contract.sample.header.workers = 4;
  start();
  expectAllAnswered();
  const uint32_t idleTimeoutMs = std::exchange(contract.sample.header.idleTimeoutMs, 1);
  setWorkers(1);
  EXPECT_TRUE(leavingEnd());
  contract.sample.header.idleTimeoutMs = idleTimeoutMs;
  setWorkers(1);
  EXPECT_EQ(counterOf(*plane, Counter::receive_datagrams), clients.size());
  EXPECT_TRUE(eventually([&] { return counterOf(*plane, Counter::return_sent) == clients.size(); }));
  const DataPlaneStatus status = plane->status();
  EXPECT_LT(status.flowMemoryBytes, 2U << 20) << "its tables are gone";
  expectAllAnswered();
  setWorkers(3);
  expectAllAnswered();
}

TEST_F(WorkerCount, OneThatIsWantedAgainBeforeItHasGoneGoesOn) {
  contract.sample.header.workers = 3;
  start();
  expectAllAnswered();
  setWorkers(1);
  EXPECT_EQ(plane->status().leavingWorkers, 2U);
  expectAllAnswered();
  const uint16_t second = unusedPort();
  contract.setListeners({port(), second});
  setWorkers(2);
  EXPECT_EQ(plane->status().leavingWorkers, 1U);
  expectAllAnswered();
  Client stranger(0xee);
  EXPECT_TRUE(stranger.roundTrip(second));
  setWorkers(3);
  EXPECT_EQ(plane->status().leavingWorkers, 0U);
  expectAllAnswered();
}

TEST_F(WorkerCount, SteeringBeginsWithTheSecondWorker) {
  start();
  EXPECT_STREQ(plane->status().steering, "KernelHash");
  setWorkers(3);
  const DataPlaneStatus status = plane->status();
  if (std::string_view(status.steering) != "ConnectionId")
    GTEST_SKIP() << "no steering here: " << status.steeringReason;
  EXPECT_EQ(status.steeringReason, "");
  expectAllAnswered();
  const uint64_t looked = counterOf(*plane, Counter::steer_unknown) + counterOf(*plane, Counter::steer_path);
  expectAllAnswered();
  EXPECT_TRUE(eventually(
      [&] { return counterOf(*plane, Counter::steer_unknown) + counterOf(*plane, Counter::steer_path) > looked; }));
}

TEST_F(WorkerCount, TablesNeverTakeMoreThanTwiceTheFlowMemory) {
  start();
  uint32_t workers = 1;
  std::optional<Failure> failure;
  while (!failure && workers < 16) {
    contract.next().sample.header.workers = ++workers;
    failure = plane->apply(contract.bytes());
    EXPECT_LE(plane->status().flowMemoryBytes, 2 * contract.sample.header.flowMemoryBytes);
  }
  ASSERT_TRUE(failure);
  EXPECT_GT(workers, 3U);
  EXPECT_EQ(failure->code, FailureCode::kWorkersNeedRestart);
  EXPECT_NE(failure->detail.find("dataPlane.workers"), std::string::npos) << failure->detail;
  EXPECT_EQ(plane->status().workers, workers - 1);
  expectAllAnswered();
}

TEST_F(WorkerCount, WithoutDescriptorsForAnotherWorkerThePresentOnesGoOn) {
  start();
  expectAllAnswered();
  rlimit present{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &present), 0);
  const FileDescriptor next(dup(0));
  rlimit tight = present;
  tight.rlim_cur = static_cast<rlim_t>(next.get()) + 3;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  contract.next().sample.header.workers = 4;
  const auto failure = plane->apply(contract.bytes());
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &present), 0);
  ASSERT_TRUE(failure);
  EXPECT_EQ(plane->status().workers, 1U);
  EXPECT_EQ(plane->status().leavingWorkers, 0U);
  expectAllAnswered();
  setWorkers(4);
  expectAllAnswered();
}

}  // namespace
}  // namespace quicproxy
