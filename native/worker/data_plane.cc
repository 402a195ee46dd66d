#include "worker/data_plane.h"

#include <dirent.h>
#include <sys/random.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "forward/raw_upstream.h"
#include "forward/upstream_sockets.h"
#include "worker/snapshot_builder.h"

namespace quicproxy {

namespace {

/// Descriptors left to the rest of the process: HTTP clients, files, sockets of endpoints that change over.
constexpr uint64_t kReservedDescriptors = 512;
constexpr int kAdoptionWaitMs = 2000;

/// Raises the soft limit to the hard one and tells how many more descriptors may be opened.
uint64_t freeDescriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  uint64_t open = 0;
  if (DIR* directory = opendir("/proc/self/fd")) {
    while (readdir(directory) != nullptr) open++;
    closedir(directory);
  }
  return limit.rlim_cur > open ? limit.rlim_cur - open : 0;
}

void sleepMs(int ms) {
  timespec pause{0, ms * 1000000L};
  nanosleep(&pause, nullptr);
}

}  // namespace

std::variant<std::unique_ptr<DataPlane>, Failure> DataPlane::start(std::span<const uint8_t> contract) {
  std::unique_ptr<DataPlane> plane(new DataPlane());
  if (auto failure = plane->load(contract)) return *failure;
  if (auto failure = plane->allocate()) return *failure;
  plane->prepareSteering();
  auto built = SnapshotBuilder(plane->contract_, nullptr, [](uint16_t) { return false; })
                   .steerWith(plane->steering_.get())
                   .build();
  if (auto* failure = std::get_if<Failure>(&built)) return *failure;
  auto failure = plane->startWorkers(std::get<std::unique_ptr<Snapshot>>(std::move(built)));
  if (failure) return *failure;
  return plane;
}

DataPlane::~DataPlane() { stop(); }

std::optional<Failure> DataPlane::load(std::span<const uint8_t> contract) {
  std::vector<uint8_t> bytes(contract.begin(), contract.end());
  const ParsedContract parsed = ContractView::parse(bytes);
  if (parsed.error != nullptr) {
    return Failure{FailureCode::kContractInvalid,
                   std::string(parsed.error) + " (entry " + std::to_string(parsed.index) + ")"};
  }
  if (running_) {
    if (parsed.view.header().generation <= contract_.header().generation) {
      return Failure{FailureCode::kContractStale, "generation " + std::to_string(parsed.view.header().generation) +
                                                      " is not newer than the present " +
                                                      std::to_string(contract_.header().generation)};
    }
    const std::string reason = restartReason(parsed.view.header());
    if (!reason.empty()) return Failure{FailureCode::kNeedsRestart, reason};
  }
  contractBytes_ = std::move(bytes);
  contract_ = ContractView::parse(contractBytes_).view;
  return std::nullopt;
}

/// One worker gets everything anyhow, and Baseline knows no Connection IDs.
void DataPlane::prepareSteering() {
  if (contract_.header().workers == 1 || contract_.header().mode == Mode::kBaseline) return;
  auto created = Steering::create();
  if (auto* refusal = std::get_if<BpfRefusal>(&created)) {
    steeringRefusal_ = refusal->why;
    return;
  }
  steering_ = std::get<std::unique_ptr<Steering>>(std::move(created));
  shared_.steering = steering_.get();
}

/// The first refusal counts: one endpoint without steering is enough for connections to change their worker.
std::string DataPlane::steeringReason() const {
  if (!steeringRefusal_.empty() || !current_) return steeringRefusal_;
  for (const auto& endpoint : current_->endpoints) {
    if (endpoint && !endpoint->steeringRefusal.empty()) return endpoint->steeringRefusal;
  }
  return "";
}

std::string DataPlane::restartReason(const ContractHeader& next) const {
  const ContractHeader& now = contract_.header();
  std::string fields;
  const auto name = [&fields](bool differs, const char* field) {
    if (differs) fields += (fields.empty() ? "" : ", ") + std::string(field);
  };
  name(next.workers != now.workers, "dataPlane.workers");
  name(next.mode != now.mode, "dataPlane.mode");
  name(next.batch != now.batch, "dataPlane.batch");
  name(next.flowMemoryBytes != now.flowMemoryBytes, "dataPlane.flowMemory");
  name(next.upstreamLevel != now.upstreamLevel, "dataPlane.upstreamLevel");
  name(next.upstreamPortFirst != now.upstreamPortFirst || next.upstreamPortLast != now.upstreamPortLast,
       "dataPlane.upstreamPorts");
  name(next.upstreamSocketMax != now.upstreamSocketMax, "dataPlane.upstreamSockets");
  return fields;
}

std::optional<Failure> DataPlane::allocate() {
  const ContractHeader& header = contract_.header();
  counters_ = std::make_shared<CounterRegion>(header.workers, kMaxBackends);
  flowsPerWorker_ = FlowTable::flowsFor(header.flowMemoryBytes / header.workers);
  if (!*counters_ || flowsPerWorker_ == 0) {
    return Failure{FailureCode::kNoMemory, "dataPlane.flowMemory holds not one flow per worker"};
  }
  if (getrandom(&tableKey_, sizeof tableKey_, 0) != sizeof tableKey_) {
    return Failure{FailureCode::kNoMemory, "the kernel gave no random key", errno};
  }
  for (uint32_t i = 0; i < header.workers; i++) {
    MappedMemory memory(FlowTable::bytesFor(flowsPerWorker_), "quicproxy-flows");
    auto table = memory ? FlowTable::create({reinterpret_cast<std::byte*>(memory.data()), memory.size()},
                                            flowsPerWorker_, tableKey_)
                        : std::nullopt;
    if (!table) return Failure{FailureCode::kNoMemory, "no memory for the flow table", errno};
    flowMemory_.push_back(std::move(memory));
    flowTables_.push_back(std::make_unique<FlowTable>(*table));
  }
  const uint64_t available = freeDescriptors();
  const uint64_t reserved = kReservedDescriptors + uint64_t{header.workers} * (kMaxEndpoints + 2);
  const uint64_t descriptors = available > reserved ? available - reserved : available / 2;
  const uint64_t sockets = std::min<uint64_t>(header.upstreamSocketMax, descriptors) / header.workers;
  socketsPerWorker_ = static_cast<uint32_t>(std::clamp<uint64_t>(sockets, 1, flowsPerWorker_));
  return std::nullopt;
}

std::optional<Failure> DataPlane::startWorkers(std::unique_ptr<Snapshot> first) {
  const ContractHeader& header = contract_.header();
  current_ = std::move(first);
  shared_.current.store(current_.get(), std::memory_order_release);
  std::vector<FlowTable*> tables;
  tables.reserve(flowTables_.size());
  for (const auto& table : flowTables_) tables.push_back(table.get());
  running_ = true;
  std::vector<std::unique_ptr<Upstream>> upstreams = openUpstreams();
  for (uint32_t i = 0; i < header.workers; i++) {
    auto worker = Worker::create({i, header.batch}, shared_, tables, std::move(upstreams[i]), counters_->of(i));
    if (!worker) return Failure{FailureCode::kNoMemory, "no memory or descriptors for a worker", errno};
    workers_.push_back(std::move(worker));
  }
  for (const auto& worker : workers_) {
    if (auto failure = worker->start()) return failure;
  }
  return std::nullopt;
}

std::vector<std::unique_ptr<Upstream>> DataPlane::openUpstreams() {
  const ContractHeader& header = contract_.header();
  std::vector<std::unique_ptr<Upstream>> upstreams;
  if (header.mode != Mode::kBaseline && header.upstreamLevel == UpstreamLevel::kAuto) {
    upstreamReason_ = openRawUpstreams(upstreams);
    if (upstreamReason_.empty()) return upstreams;
  }
  upstreams.clear();
  upstreamPorts_.reset();
  for (uint32_t i = 0; i < header.workers; i++) {
    upstreams.push_back(
        std::make_unique<UpstreamSockets>(flowsPerWorker_, socketsPerWorker_, header.mode != Mode::kBaseline));
  }
  return upstreams;
}

/// All workers or none: what a level cannot do for one of them it does for none. Returns why not, empty when it did.
std::string DataPlane::openRawUpstreams(std::vector<std::unique_ptr<Upstream>>& upstreams) {
  const ContractHeader& header = contract_.header();
  auto ports = UpstreamPorts::create(header.upstreamPortFirst, header.upstreamPortLast);
  if (auto* failure = std::get_if<std::string>(&ports)) return *failure;
  upstreamPorts_ = std::get<std::unique_ptr<UpstreamPorts>>(std::move(ports));
  for (uint32_t i = 0; i < header.workers; i++) {
    const RawUpstream::Options options{
        i, flowsPerWorker_, {header.receiveBufferBytes, header.sendBufferBytes}, tableKey_};
    auto upstream = RawUpstream::create(options, *upstreamPorts_);
    if (auto* failure = std::get_if<std::string>(&upstream)) return *failure;
    upstreams.push_back(std::get<std::unique_ptr<RawUpstream>>(std::move(upstream)));
  }
  return catchFrom(*current_, UpstreamPorts::Keep::kPresent) ? "" : "the kernel refused the table of backends";
}

/// Tells the SK_LOOKUP program whose replies to catch. False when the kernel refuses.
bool DataPlane::catchFrom(const Snapshot& snapshot, UpstreamPorts::Keep keep) {
  if (!upstreamPorts_) return true;
  std::vector<SocketAddress> backends;
  for (const Backend& backend : snapshot.backends) {
    if (backend.state != BackendState::kRetired) backends.push_back(backend.address);
  }
  return upstreamPorts_->setBackends(backends, keep);
}

std::optional<Failure> DataPlane::apply(std::span<const uint8_t> contract) {
  if (!running_) return Failure{FailureCode::kStopped, "the data plane was stopped"};
  const ContractHeader before = contract_.header();
  std::vector<uint8_t> presentBytes = contractBytes_;
  if (auto failure = load(contract)) return failure;
  const auto hasFlows = [this](uint16_t slot) { return backendHasFlows(slot); };
  auto built = SnapshotBuilder(contract_, current_.get(), hasFlows).steerWith(steering_.get()).build();
  const auto refuse = [&](Failure failure) {
    contractBytes_ = std::move(presentBytes);
    contract_ = ContractView::parse(contractBytes_).view;
    return failure;
  };
  if (auto* failure = std::get_if<Failure>(&built)) return refuse(std::move(*failure));
  auto next = std::get<std::unique_ptr<Snapshot>>(std::move(built));
  const ContractHeader& header = contract_.header();
  if (header.receiveBufferBytes != before.receiveBufferBytes || header.sendBufferBytes != before.sendBufferBytes) {
    for (const auto& endpoint : next->endpoints) {
      if (!endpoint) continue;
      for (const FileDescriptor& fd : endpoint->sockets) {
        setBufferSizes(fd.get(), {header.receiveBufferBytes, header.sendBufferBytes});
      }
    }
  }
  if (!catchFrom(*next, UpstreamPorts::Keep::kPresent)) {
    return refuse({FailureCode::kNoMemory, "the kernel refused the table of backends", errno});
  }
  publish(std::move(next));
  return std::nullopt;
}

bool DataPlane::backendHasFlows(uint16_t slot) const {
  for (uint32_t i = 0; i < workers_.size(); i++) {
    if (counters_->of(i).get(slot, BackendCounter::kFlows) != 0) return true;
  }
  return false;
}

void DataPlane::publish(std::unique_ptr<Snapshot> next) {
  retired_.push_back(std::move(current_));
  current_ = std::move(next);
  shared_.current.store(current_.get(), std::memory_order_release);
  for (const auto& worker : workers_) worker->wake();
  const auto adoptedByAll = [this] {
    return std::all_of(workers_.begin(), workers_.end(),
                       [this](const auto& worker) { return worker->adopted() == current_.get(); });
  };
  for (int waitedMs = 0; waitedMs < kAdoptionWaitMs && !adoptedByAll(); waitedMs++) sleepMs(1);
  if (!adoptedByAll()) return;
  releaseRetired();
  catchFrom(*current_, UpstreamPorts::Keep::kNothing);
}

/// Only the workers kept it alive; endpoints that no snapshot names any more are closed with it.
void DataPlane::releaseRetired() { retired_.clear(); }

void DataPlane::stop() {
  if (!running_) return;
  running_ = false;
  shared_.stopping.store(true, std::memory_order_release);
  for (const auto& worker : workers_) worker->wake();
  for (const auto& worker : workers_) worker->join();
  workers_.clear();
  upstreamPorts_.reset();
  retired_.clear();
  current_.reset();
}

std::vector<Sample> DataPlane::takeSamples(size_t max) {
  std::vector<Sample> samples;
  Sample sample{};
  for (const auto& worker : workers_) {
    while (samples.size() < max && worker->takeSample(sample)) samples.push_back(sample);
  }
  return samples;
}

DataPlaneStatus DataPlane::status() const {
  const ContractHeader& header = contract_.header();
  DataPlaneStatus status{header.generation,
                         header.workers,
                         header.batch,
                         flowsPerWorker_ * header.workers,
                         upstreamPorts_ ? "RawSend" : "ConnectedSocketPool",
                         upstreamReason_,
                         socketsPerWorker_ * header.workers,
                         upstreamPorts_ ? upstreamPorts_->first() : 0U,
                         upstreamPorts_ ? upstreamPorts_->last() : 0U,
                         header.flowMemoryBytes,
                         "KernelHash",
                         steeringReason(),
                         {},
                         {}};
  if (steering_ && status.steeringReason.empty()) status.steering = "ConnectionId";
  if (!current_) return status;
  for (uint32_t i = 0; i < contract_.endpointCount(); i++) {
    status.endpoints.push_back(endpointStatus(i));
  }
  for (size_t slot = 0; slot < current_->backends.size(); slot++) {
    const Backend& backend = current_->backends[slot];
    if (backend.state == BackendState::kRetired) continue;
    status.backends.push_back({static_cast<uint32_t>(slot), backend.address.addressText(), backend.address.port(),
                               backend.weight, backend.state == BackendState::kActive});
  }
  return status;
}

EndpointStatus DataPlane::endpointStatus(uint32_t index) const {
  const EndpointRecord record = contract_.endpoint(index);
  const SocketAddress address = SocketAddress::from(record.address, record.family, record.port);
  EndpointStatus status{
      index, address.addressText(), record.port, record.family, "", contract_.header().receiveBufferBytes, 0, 0, 0};
  for (const auto& endpoint : current_->endpoints) {
    if (!endpoint || !(endpoint->address == address)) continue;
    for (const FileDescriptor& fd : endpoint->sockets) {
      const SocketMemory memory = readSocketMemory(fd.get());
      const bool first = status.receiveBufferEffective == 0;
      status.receiveBufferEffective =
          first ? memory.receiveBufferBytes : std::min(status.receiveBufferEffective, memory.receiveBufferBytes);
      status.sendBufferEffective =
          first ? memory.sendBufferBytes : std::min(status.sendBufferEffective, memory.sendBufferBytes);
      status.kernelDrops += memory.drops;
    }
    return status;
  }
  status.skipped = "the host has no IPv6";
  return status;
}

}  // namespace quicproxy
