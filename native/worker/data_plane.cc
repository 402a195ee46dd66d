#include "worker/data_plane.h"

#include <algorithm>
#include <cerrno>

#include "io/clock.h"
#include "network/source_addresses.h"
#include "snapshot/snapshot_builder.h"

namespace quicproxy {

std::variant<std::unique_ptr<DataPlane>, Failure> DataPlane::start(std::span<const uint8_t> contract) {
  std::unique_ptr<DataPlane> plane(new DataPlane());
  if (auto failure = plane->load(contract)) return *failure;
  auto created = WorkerSet::create(plane->contract_.header());
  if (auto* failure = std::get_if<Failure>(&created)) return *failure;
  auto workers = std::get<std::unique_ptr<WorkerSet>>(std::move(created));
  plane->workers_ = std::move(workers);
  plane->counters_ = plane->workers_->counters();
  if (auto failure = plane->workers_->checkDescriptors(plane->workers_->size(), plane->descriptorsOfListeners())) {
    return *failure;
  }
  plane->prepareSteering();
  auto built = plane->build(plane->workers_->size());
  if (auto* failure = std::get_if<Failure>(&built)) return *failure;
  plane->current_ = std::get<std::unique_ptr<Snapshot>>(std::move(built));
  if (auto failure = plane->workers_->start(*plane->current_)) return *failure;
  if (auto failure = plane->followNetwork()) return *failure;
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
  if (current_) {
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
  if (steering_ || contract_.header().workers == 1 || contract_.header().mode == Mode::kBaseline) return;
  auto created = Steering::create(workers_->flowCapacity());
  if (auto* refusal = std::get_if<BpfRefusal>(&created)) {
    steeringRefusal_ = refusal->why;
    return;
  }
  steering_ = std::get<std::unique_ptr<Steering>>(std::move(created));
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
  name(next.mode != now.mode, "dataPlane.mode");
  name(next.batch != now.batch, "dataPlane.batch");
  name(next.flowMemoryBytes != now.flowMemoryBytes, "dataPlane.flowMemory");
  name(next.upstreamLevel != now.upstreamLevel, "dataPlane.upstreamLevel");
  name(next.upstreamPortFirst != now.upstreamPortFirst || next.upstreamPortLast != now.upstreamPortLast,
       "dataPlane.upstreamPorts");
  name(next.upstreamSocketMax != now.upstreamSocketMax, "dataPlane.upstreamSockets");
  return fields;
}

/// The snapshot of the present contract for so many workers, of which those beyond the contract's leave.
std::variant<std::unique_ptr<Snapshot>, Failure> DataPlane::build(uint32_t workers) {
  const auto hasFlows = [this](uint16_t slot) { return workers_->backendHasFlows(slot); };
  const auto sourceHasFlows = [this](uint8_t source) { return workers_->sourceHasFlows(source); };
  const auto lendPort = [this](uint16_t port) { return workers_->upstreams().lendPort(port); };
  auto built = SnapshotBuilder(contract_, current_.get(), hasFlows, retired_)
                   .runBy({workers_->tables(workers), steering_.get(), 0, sourceHasFlows, lendPort})
                   .build();
  auto* next = std::get_if<std::unique_ptr<Snapshot>>(&built);
  if (next != nullptr) (*next)->upstreamSocketsPerWorker = workers_->divideSockets(contract_.header().workers);
  return built;
}

/// Of endpoints that the present snapshot does not have, and of workers that it does not have.
uint32_t DataPlane::descriptorsOfListeners() const {
  // Maps, program and types that steer an endpoint (bpf/steer.bpf.c); as many are shared by all.
  constexpr uint32_t kPerSteering = 7;
  const bool steered = contract_.header().workers > 1 && contract_.header().mode != Mode::kBaseline;
  uint32_t fresh = steered && !steering_ ? kPerSteering : 0;
  for (uint32_t i = 0; i < contract_.endpointCount(); i++) {
    const EndpointRecord record = contract_.endpoint(i);
    const SocketAddress address = SocketAddress::from(record.address, record.family, record.port);
    size_t present = 0;
    for (size_t slot = 0; current_ && slot < kMaxEndpoints; slot++) {
      const auto& endpoint = current_->endpoints[slot];
      if (endpoint && endpoint->address == address) present = endpoint->sockets.size();
    }
    if (steered && present < 2) fresh += kPerSteering;
    fresh += contract_.header().workers - static_cast<uint32_t>(std::min<size_t>(present, contract_.header().workers));
  }
  return fresh;
}

std::optional<Failure> DataPlane::followNetwork() {
  return networkThread_.start("qp-network", {[](void* self) { static_cast<DataPlane*>(self)->runNetwork(); }, this});
}

/// A host whose routes change all the time costs a twentieth of a CPU and no more.
void DataPlane::runNetwork() {
  constexpr uint32_t kRestPerWork = 20;
  constexpr uint32_t kYieldEveryMs = NetworkMonitor::kPollMs;
  uint32_t yieldedAtMs = monotonicMs();
  while (network_.wait()) {
    const uint32_t beganMs = monotonicMs();
    adaptToNetwork();
    if (beganMs - yieldedAtMs >= kYieldEveryMs) {
      yieldedAtMs = beganMs;
      const std::lock_guard lock(mutex_);
      if (workers_) workers_->upstreams().yieldPorts();
    }
    if (!network_.rest((monotonicMs() - beganMs) * kRestPerWork)) return;
  }
}

bool DataPlane::sourcesHaveChanged() const {
  const LocalAddresses local;
  return std::ranges::any_of(current_->backends, [&](const Backend& backend) {
    if (backend.state == BackendState::kRetired) return false;
    const std::vector<MappedAddress> addresses = local.toward(backend.address);
    const std::span<const uint8_t> present(backend.sources.data(), backend.sourceCount);
    return !std::ranges::equal(addresses, present, {}, {}, [this](uint8_t index) { return current_->sources[index]; });
  });
}

/// The contract stays; what this host has is read anew.
void DataPlane::adaptToNetwork() {
  const std::lock_guard lock(mutex_);
  if (!workers_ || !sourcesHaveChanged()) return;
  const uint32_t workers = workers_->sizeWithoutFinished(*current_);
  auto built = build(workers);
  auto* next = std::get_if<std::unique_ptr<Snapshot>>(&built);
  if (next == nullptr) return;
  publish(std::move(*next), workers);
  networkChanges_.fetch_add(1, std::memory_order_relaxed);
}

std::optional<Failure> DataPlane::apply(std::span<const uint8_t> contract) {
  const std::lock_guard lock(mutex_);
  if (!workers_) return Failure{FailureCode::kStopped, "the data plane was stopped"};
  const ContractHeader before = contract_.header();
  std::vector<uint8_t> presentBytes = contractBytes_;
  if (auto failure = load(contract)) return failure;
  const uint32_t workersBefore = workers_->size();
  auto failure = swap(before);
  if (!failure) return std::nullopt;
  workers_->shrinkTo(workersBefore);
  workers_->upstreams().sparePorts(*current_);
  contractBytes_ = std::move(presentBytes);
  contract_ = ContractView::parse(contractBytes_).view;
  return failure;
}

/// What can be refused comes first; nothing that is in use has changed then.
std::optional<Failure> DataPlane::swap(const ContractHeader& before) {
  const ContractHeader& header = contract_.header();
  const uint32_t workers = std::max(header.workers, workers_->sizeWithoutFinished(*current_));
  if (auto failure = workers_->checkDescriptors(workers, descriptorsOfListeners())) return failure;
  prepareSteering();
  if (auto failure = workers_->growTo(workers)) return failure;
  auto built = build(workers);
  if (auto* failure = std::get_if<Failure>(&built)) return *failure;
  auto next = std::get<std::unique_ptr<Snapshot>>(std::move(built));
  if (!workers_->upstreams().catchFrom(*next, UpstreamPorts::Keep::kPresent)) {
    return Failure{FailureCode::kNoMemory, "the kernel refused the table of backends", errno};
  }
  const bool resized =
      header.receiveBufferBytes != before.receiveBufferBytes || header.sendBufferBytes != before.sendBufferBytes;
  if (resized) setBuffers(*next);
  publish(std::move(next), workers);
  return std::nullopt;
}

void DataPlane::setBuffers(const Snapshot& snapshot) const {
  const ContractHeader& header = contract_.header();
  for (const auto& endpoint : snapshot.endpoints) {
    if (!endpoint) continue;
    for (const auto& socket : endpoint->sockets) {
      setBufferSizes(socket->fd.get(), {header.receiveBufferBytes, header.sendBufferBytes});
    }
  }
}

/// From now on nothing new comes to the workers that the snapshot does not count on.
void DataPlane::dismiss(const Snapshot& snapshot) {
  for (const auto& endpoint : snapshot.endpoints) {
    if (!endpoint) continue;
    for (uint32_t worker = snapshot.workers; worker < endpoint->sockets.size(); worker++) {
      ListenSocket& socket = *endpoint->sockets[worker];
      if (socket.left) continue;
      if (socket.steered) endpoint->steered->removeSocket(worker);
      socket.steered = false;
      socket.left = leaveGroup(socket.fd.get(), endpoint->address);
    }
  }
}

/// Once all workers run on it, those beyond `workers` end, and what only earlier snapshots named is closed.
void DataPlane::publish(std::unique_ptr<Snapshot> next, uint32_t workers) {
  dismiss(*next);
  workers_->upstreams().sparePorts(*next);
  retired_.push_back(std::move(current_));
  current_ = std::move(next);
  if (!workers_->publish(*current_)) return;
  workers_->shrinkTo(workers);
  closeRetired();
}

/// No worker runs on a snapshot before the current one any more.
void DataPlane::closeRetired() {
  for (const auto& [where, endpoint] : endpointsThatWent()) {
    kernelDropsOfClosed_ += endpoint->dropsOfClosed;
    for (const auto& socket : endpoint->sockets) kernelDropsOfClosed_ += readSocketDrops(socket->fd.get());
  }
  retired_.clear();
  workers_->upstreams().catchFrom(*current_, UpstreamPorts::Keep::kNothing);
}

/// Of each address that only retired snapshots have, as the latest of them has it.
std::map<std::string, const ListenEndpoint*> DataPlane::endpointsThatWent() const {
  std::map<std::string, const ListenEndpoint*> went;
  const auto nameOf = [](const ListenEndpoint& endpoint) {
    return endpoint.address.addressText() + " " + std::to_string(endpoint.address.port());
  };
  for (const auto& snapshot : retired_) {
    for (const auto& endpoint : snapshot->endpoints) {
      if (endpoint) went[nameOf(*endpoint)] = endpoint.get();
    }
  }
  for (const auto& endpoint : current_->endpoints) {
    if (endpoint) went.erase(nameOf(*endpoint));
  }
  return went;
}

void DataPlane::tend() {
  const std::lock_guard lock(mutex_);
  if (!workers_) return;
  if (!retired_.empty() && workers_->allAdopted(*current_)) closeRetired();
  if (workers_->size() == current_->workers) return;
  const uint32_t workers = workers_->sizeWithoutFinished(*current_);
  if (workers == workers_->size()) return;
  auto built = build(workers);
  if (auto* next = std::get_if<std::unique_ptr<Snapshot>>(&built)) publish(std::move(*next), workers);
}

void DataPlane::stop() {
  network_.stop();
  networkThread_.join();
  const std::lock_guard lock(mutex_);
  if (!workers_) return;
  workers_->stop();
  workers_.reset();
  retired_.clear();
  current_.reset();
}

std::vector<Sample> DataPlane::takeSamples(size_t max) {
  const std::lock_guard lock(mutex_);
  std::vector<Sample> samples;
  Sample sample{};
  for (uint32_t worker = 0; workers_ && worker < workers_->size(); worker++) {
    while (samples.size() < max && workers_->takeSample(worker, sample)) samples.push_back(sample);
  }
  return samples;
}

DataPlaneStatus DataPlane::status() const {
  const std::lock_guard lock(mutex_);
  const ContractHeader& header = contract_.header();
  DataPlaneStatus status{};
  status.generation = header.generation;
  status.workers = header.workers;
  status.batch = header.batch;
  status.upstreamLevel = "ConnectedSocketPool";
  status.steering = "KernelHash";
  status.steeringReason = steeringReason();
  if (!workers_) return status;
  const UpstreamOpener& upstreams = workers_->upstreams();
  status.leavingWorkers = workers_->size() - header.workers;
  status.flowCapacity = workers_->flowCapacity();
  status.flowMemoryBytes = workers_->flowMemoryBytes();
  status.clock = workers_->clockUse();
  status.upstreamLevel = upstreams.level();
  status.upstreamReason = upstreams.reason();
  status.upstreamReceiveBufferAsked = header.receiveBufferBytes;
  status.upstreamReceiveBufferEffective = workers_->upstreamReceiveBuffer();
  status.upstreamSocketBound = workers_->socketBound();
  status.networkEvents = network_.hearsEvents();
  status.kernelDropsOfClosed = kernelDropsOfClosed_;
  status.upstreamSocketMax = current_->upstreamSocketsPerWorker * header.workers;
  if (const UpstreamPorts* ports = upstreams.ports()) {
    status.upstreamPortFirst = ports->first();
    status.upstreamPortLast = ports->last();
  }
  if (current_->steering != nullptr && status.steeringReason.empty()) status.steering = "ConnectionId";
  for (uint32_t i = 0; i < contract_.endpointCount(); i++) {
    status.endpoints.push_back(endpointStatus(i));
  }
  for (size_t slot = 0; slot < current_->backends.size(); slot++) {
    const Backend& backend = current_->backends[slot];
    if (backend.state == BackendState::kRetired) continue;
    status.backends.push_back({static_cast<uint32_t>(slot),
                               backend.address.addressText(),
                               backend.address.port(),
                               backend.weight,
                               backend.state == BackendState::kActive,
                               {}});
    for (uint8_t i = 0; i < backend.sourceCount; i++) {
      const MappedAddress& source = current_->sources[backend.sources[i]];
      status.backends.back().sources.push_back(SocketAddress::fromMapped(source.data(), 0, 0).addressText());
    }
  }
  return status;
}

EndpointStatus DataPlane::endpointStatus(uint32_t index) const {
  const EndpointRecord record = contract_.endpoint(index);
  const SocketAddress address = SocketAddress::from(record.address, record.family, record.port);
  EndpointStatus status{
      index, address.addressText(), record.port, record.family, "", contract_.header().receiveBufferBytes, 0, 0, 0, {}};
  for (const auto& endpoint : current_->endpoints) {
    if (!endpoint || !(endpoint->address == address)) continue;
    status.kernelDrops = endpoint->dropsOfClosed;
    for (const auto& socket : endpoint->sockets) {
      const SocketMemory memory = readSocketMemory(socket->fd.get());
      const bool first = status.receiveBufferEffective == 0;
      status.receiveBufferEffective =
          first ? memory.receiveBufferBytes : std::min(status.receiveBufferEffective, memory.receiveBufferBytes);
      status.sendBufferEffective =
          first ? memory.sendBufferBytes : std::min(status.sendBufferEffective, memory.sendBufferBytes);
      status.kernelDrops += memory.drops;
      status.sockets.push_back(
          {static_cast<uint32_t>(status.sockets.size()), memory.receiveBufferBytes, memory.queuedBytes, memory.drops});
    }
    return status;
  }
  status.skipped = "the host has no IPv6";
  return status;
}

}  // namespace quicproxy
