#include "worker/data_plane.h"

#include <algorithm>
#include <cerrno>

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
  plane->prepareSteering();
  auto built = plane->build(plane->workers_->size());
  if (auto* failure = std::get_if<Failure>(&built)) return *failure;
  plane->current_ = std::get<std::unique_ptr<Snapshot>>(std::move(built));
  if (auto failure = plane->workers_->start(*plane->current_)) return *failure;
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
  auto created = Steering::create();
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
  const uint32_t sockets = workers_->upstreamSocketsPerWorker(contract_.header().workers);
  return SnapshotBuilder(contract_, current_.get(), hasFlows, retired_)
      .runBy({workers_->tables(workers), steering_.get(), sockets})
      .build();
}

std::optional<Failure> DataPlane::apply(std::span<const uint8_t> contract) {
  if (!workers_) return Failure{FailureCode::kStopped, "the data plane was stopped"};
  const ContractHeader before = contract_.header();
  std::vector<uint8_t> presentBytes = contractBytes_;
  if (auto failure = load(contract)) return failure;
  const uint32_t workersBefore = workers_->size();
  auto failure = swap(before);
  if (!failure) return std::nullopt;
  workers_->shrinkTo(workersBefore);
  contractBytes_ = std::move(presentBytes);
  contract_ = ContractView::parse(contractBytes_).view;
  return failure;
}

/// What can be refused comes first; nothing that is in use has changed then.
std::optional<Failure> DataPlane::swap(const ContractHeader& before) {
  const ContractHeader& header = contract_.header();
  const uint32_t workers = std::max(header.workers, workers_->sizeWithoutFinished(*current_));
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
  if (!workers_) return;
  if (!retired_.empty() && workers_->allAdopted(*current_)) closeRetired();
  if (workers_->size() == current_->workers) return;
  const uint32_t workers = workers_->sizeWithoutFinished(*current_);
  if (workers == workers_->size()) return;
  auto built = build(workers);
  if (auto* next = std::get_if<std::unique_ptr<Snapshot>>(&built)) publish(std::move(*next), workers);
}

void DataPlane::stop() {
  if (!workers_) return;
  workers_->stop();
  workers_.reset();
  retired_.clear();
  current_.reset();
}

std::vector<Sample> DataPlane::takeSamples(size_t max) {
  std::vector<Sample> samples;
  Sample sample{};
  for (uint32_t worker = 0; workers_ && worker < workers_->size(); worker++) {
    while (samples.size() < max && workers_->takeSample(worker, sample)) samples.push_back(sample);
  }
  return samples;
}

DataPlaneStatus DataPlane::status() const {
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
  status.upstreamLevel = upstreams.level();
  status.upstreamReason = upstreams.reason();
  status.upstreamReceiveBufferAsked = header.receiveBufferBytes;
  status.upstreamReceiveBufferEffective = workers_->upstreamReceiveBuffer();
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
    status.kernelDrops = endpoint->dropsOfClosed;
    for (const auto& socket : endpoint->sockets) {
      const SocketMemory memory = readSocketMemory(socket->fd.get());
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
