#include "worker/worker_set.h"

#include <dirent.h>
#include <sys/random.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <string>

#include "network/ports_in_use.h"

namespace quicproxy {

namespace {

/// Descriptors left to the rest of the process, HTTP clients, files, sockets of endpoints that change over: a quarter
/// of the limit within these bounds.
constexpr uint64_t kMinReservedDescriptors = 64;
constexpr uint64_t kMaxReservedDescriptors = 512;
/// An epoll set and an eventfd of the worker and, in mode Decoupled, of its receiving thread; raw, catching and ICMP
/// sockets of two families and a block's marker, or one upstream socket.
constexpr uint64_t kDescriptorsPerWorker = 12;
/// One in so many ports that the kernel picks from is left to the other programs of this host.
constexpr uint32_t kOthersPortShare = 8;
constexpr int kAdoptionWaitMs = 2000;

/// Workers that come later get an equal share of the flow memory while those that run keep theirs: no more than this
/// many times the memory in all, and no newcomer with less than a quarter of its share.
constexpr uint64_t kMaxMemoryTimes = 2;
constexpr uint64_t kMinShareDivisor = 4;

struct Descriptors {
  uint64_t limit = 0;
  uint64_t open = 0;
};

/// To the hard limit.
void raiseSoftLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

Descriptors countDescriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
  Descriptors descriptors{limit.rlim_cur, 0};
  if (DIR* directory = opendir("/proc/self/fd")) {
    while (readdir(directory) != nullptr) descriptors.open++;
    closedir(directory);
  }
  return descriptors;
}

uint64_t reserveOf(const Descriptors& descriptors) {
  return std::clamp(descriptors.limit / 4, kMinReservedDescriptors, kMaxReservedDescriptors);
}

void sleepMs(int ms) {
  timespec pause{0, ms * 1000000L};
  nanosleep(&pause, nullptr);
}

}  // namespace

std::variant<std::unique_ptr<WorkerSet>, Failure> WorkerSet::create(const ContractHeader& header) {
  raiseSoftLimit();
  SipKey key;
  if (getrandom(&key, sizeof key, 0) != sizeof key) {
    return Failure{FailureCode::kNoMemory, "the kernel gave no random key", errno};
  }
  std::unique_ptr<WorkerSet> set(new WorkerSet(header, key));
  const uint32_t flows = FlowTable::flowsFor(header.flowMemoryBytes / header.workers);
  if (!*set->counters_ || flows == 0) {
    return Failure{FailureCode::kNoMemory, "dataPlane.flowMemory holds not one flow per worker"};
  }
  for (uint32_t i = 0; i < header.workers; i++) {
    if (auto failure = set->allocate(flows)) return *failure;
  }
  return set;
}

WorkerSet::WorkerSet(const ContractHeader& header, SipKey tableKey)
    : batch_(header.batch),
      decoupled_(header.mode == Mode::kDecoupled),
      clock_(ClockUse::forReadNs(measureClockReadNs())),
      flowMemoryBytes_(header.flowMemoryBytes),
      upstreamSocketMax_(header.upstreamSocketMax),
      tableKey_(tableKey),
      counters_(std::make_shared<CounterRegion>(kMaxWorkers, kMaxBackends)),
      upstreams_(std::make_unique<UpstreamOpener>(header, tableKey)) {}

/// A table for one worker more.
std::optional<Failure> WorkerSet::allocate(uint32_t flows) {
  Member member;
  member.memory = MappedMemory(FlowTable::bytesFor(flows), "quicproxy-flows");
  auto table = member.memory
                   ? FlowTable::create({reinterpret_cast<std::byte*>(member.memory.data()), member.memory.size()},
                                       flows, tableKey_)
                   : std::nullopt;
  if (!table) return Failure{FailureCode::kNoMemory, "no memory for the flow table", errno};
  member.flows = std::make_unique<FlowTable>(*table);
  members_.push_back(std::move(member));
  return std::nullopt;
}

std::optional<Failure> WorkerSet::start(const Snapshot& snapshot) {
  shared_.current.store(&snapshot, std::memory_order_release);
  std::vector<uint32_t> capacities;
  capacities.reserve(members_.size());
  for (const Member& member : members_) capacities.push_back(member.flows->capacity());
  std::vector<std::unique_ptr<Upstream>> upstreams = upstreams_->openAll(capacities, snapshot);
  for (uint32_t i = 0; i < size(); i++) {
    if (auto failure = run(i, std::move(upstreams[i]))) return failure;
  }
  return std::nullopt;
}

std::optional<Failure> WorkerSet::run(uint32_t index, std::unique_ptr<Upstream> upstream) {
  Member& member = members_[index];
  counters_->use(index + 1);
  member.worker = Worker::create({index, batch_, decoupled_, clock_}, shared_, *member.flows, std::move(upstream),
                                 counters_->of(index));
  if (!member.worker) return Failure{FailureCode::kNoMemory, "no memory or descriptors for a worker", errno};
  return member.worker->start();
}

std::variant<uint32_t, Failure> WorkerSet::flowsForNewcomers(uint32_t workers) const {
  const uint64_t share = flowMemoryBytes_ / workers;
  const uint64_t most = kMaxMemoryTimes * flowMemoryBytes_;
  const uint64_t present = flowMemoryBytes();
  const uint64_t left = most > present ? (most - present) / (workers - size()) : 0;
  const uint32_t flows = FlowTable::flowsFor(std::min(share, left));
  if (left >= share / kMinShareDivisor && flows > 0) return flows;
  return Failure{FailureCode::kWorkersNeedRestart,
                 "dataPlane.workers (" + std::to_string(size()) + " workers hold " + std::to_string(present >> 10) +
                     " KiB of flow tables, too much of dataPlane.flowMemory to leave shares to " +
                     std::to_string(workers - size()) + " more)"};
}

std::optional<Failure> WorkerSet::growTo(uint32_t workers) {
  if (workers <= size()) return std::nullopt;
  const uint32_t before = size();
  const auto flows = flowsForNewcomers(workers);
  if (const auto* failure = std::get_if<Failure>(&flows)) return *failure;
  for (uint32_t i = before; i < workers; i++) {
    auto failure = allocate(std::get<uint32_t>(flows));
    if (!failure) {
      auto upstream = upstreams_->open(i, std::get<uint32_t>(flows));
      if (auto* why = std::get_if<std::string>(&upstream)) {
        failure = Failure{FailureCode::kNoMemory, "a further worker cannot reach backends: " + *why};
      } else {
        failure = run(i, std::get<std::unique_ptr<Upstream>>(std::move(upstream)));
      }
    }
    if (!failure) continue;
    shrinkTo(before);
    return failure;
  }
  return std::nullopt;
}

bool WorkerSet::publish(const Snapshot& snapshot) {
  forgetReusedBackends(*shared_.current.load(std::memory_order_relaxed), snapshot);
  shared_.current.store(&snapshot, std::memory_order_release);
  for (const Member& member : members_) member.worker->wake();
  for (int waitedMs = 0; waitedMs < kAdoptionWaitMs && !allAdopted(snapshot); waitedMs++) sleepMs(1);
  return allAdopted(snapshot);
}

bool WorkerSet::allAdopted(const Snapshot& snapshot) const {
  return std::ranges::all_of(members_, [&](const Member& member) { return member.worker->adopted() == &snapshot; });
}

/// Workers see to it for themselves; this is for the blocks of those that have gone.
void WorkerSet::forgetReusedBackends(const Snapshot& previous, const Snapshot& next) {
  for (size_t slot = 0; slot < previous.backends.size(); slot++) {
    if (previous.backends[slot].epoch == next.backends[slot].epoch) continue;
    for (uint32_t gone = size(); gone < counters_->used(); gone++) {
      counters_->of(gone).reset(static_cast<uint16_t>(slot));
    }
  }
}

uint32_t WorkerSet::sizeWithoutFinished(const Snapshot& snapshot) const {
  uint32_t left = size();
  while (left > snapshot.workers && members_[left - 1].worker->adopted() == &snapshot &&
         counters_->of(left - 1).get(Gauge::kFlows) == 0) {
    left--;
  }
  return left;
}

/// Of workers that have no thread yet.
uint64_t WorkerSet::descriptorsToCome(uint32_t workers) const {
  const auto running = std::ranges::count_if(members_, [](const Member& member) { return member.worker != nullptr; });
  return kDescriptorsPerWorker * (workers - std::min(workers, static_cast<uint32_t>(running)));
}

uint32_t WorkerSet::divideSockets(uint32_t workers) {
  const Descriptors descriptors = countDescriptors();
  uint64_t ours = 0;
  for (uint32_t i = 0; i < size(); i++) ours += counters_->of(i).get(Gauge::kUpstreamSockets);
  const uint64_t others = descriptors.open - std::min(ours, descriptors.open);
  const uint64_t reserved = others + reserveOf(descriptors) + descriptorsToCome(workers);
  const uint64_t files = descriptors.limit - std::min(reserved, descriptors.limit);
  const uint32_t ports = ephemeralPortCount();
  const uint64_t portsLeft = ports == 0 ? upstreamSocketMax_ : ports - ports / kOthersPortShare;
  const auto most = std::min({uint64_t{upstreamSocketMax_}, files, portsLeft});
  socketBound_ = most == upstreamSocketMax_ ? SocketBound::kAsked
                 : most == files            ? SocketBound::kOpenFiles
                                            : SocketBound::kPorts;
  uint32_t flows = members_.front().flows->capacity();
  for (const Member& member : members_) flows = std::min(flows, member.flows->capacity());
  return std::clamp(static_cast<uint32_t>(most / workers), 1U, flows);
}

std::optional<Failure> WorkerSet::checkDescriptors(uint32_t workers, uint32_t ofListeners) const {
  const Descriptors descriptors = countDescriptors();
  const uint64_t needed = descriptors.open + ofListeners + descriptorsToCome(workers) + kMinReservedDescriptors;
  if (descriptors.limit == 0 || needed <= descriptors.limit) return std::nullopt;
  return Failure{FailureCode::kOpenFileLimit,
                 "the limit on open files is " + std::to_string(descriptors.limit) + ", at least " +
                     std::to_string(needed) + " are needed: " + std::to_string(descriptors.open) + " are open, " +
                     std::to_string(ofListeners) + " of listeners, " + std::to_string(descriptorsToCome(workers)) +
                     " of workers and " + std::to_string(kMinReservedDescriptors) + " for the rest of the process"};
}

bool WorkerSet::sourceHasFlows(uint8_t source) const {
  return std::ranges::any_of(
      members_, [source](const Member& member) { return member.worker && member.worker->usesSource(source); });
}

std::vector<const FlowTable*> WorkerSet::tables(uint32_t workers) const {
  std::vector<const FlowTable*> tables;
  tables.reserve(workers);
  for (uint32_t i = 0; i < workers; i++) tables.push_back(members_[i].flows.get());
  return tables;
}

uint32_t WorkerSet::flowCapacity() const {
  uint32_t flows = 0;
  for (const Member& member : members_) flows += member.flows->capacity();
  return flows;
}

uint64_t WorkerSet::flowMemoryBytes() const {
  uint64_t bytes = 0;
  for (const Member& member : members_) bytes += member.memory.size();
  return bytes;
}

uint32_t WorkerSet::upstreamReceiveBuffer() const {
  uint64_t smallest = UINT32_MAX;
  for (uint32_t i = 0; i < size(); i++) {
    smallest = std::min(smallest, counters_->of(i).get(Gauge::kUpstreamReceiveBuffer));
  }
  return static_cast<uint32_t>(smallest);
}

bool WorkerSet::backendHasFlows(uint16_t slot) const {
  for (uint32_t i = 0; i < size(); i++) {
    if (counters_->of(i).get(slot, BackendCounter::kFlows) != 0) return true;
  }
  return false;
}

void WorkerSet::stop() {
  for (const Member& member : members_) {
    if (member.worker) member.worker->stop();
  }
  // Until the last of them has ended, workers look into each other's tables.
  for (Member& member : members_) member.worker.reset();
  members_.clear();
}

}  // namespace quicproxy
