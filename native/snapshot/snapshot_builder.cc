#include "snapshot/snapshot_builder.h"

#include <algorithm>
#include <bitset>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>

namespace quicproxy {

namespace {

SocketAddress addressOf(const EndpointRecord& record) {
  return SocketAddress::from(record.address, record.family, record.port);
}

SocketAddress addressOf(const BackendRecord& record) {
  return SocketAddress::from(record.address, record.family, record.port);
}

/// Flows name them by one octet.
constexpr size_t kMaxSources = kUnnamedSource;

std::string identity(const SocketAddress& address) {
  return {reinterpret_cast<const char*>(&address.any), address.length};
}

BackendRecord recordOf(const Backend& backend) {
  BackendRecord record{};
  const bool v4 = backend.address.family() == AF_INET;
  record.family = v4 ? 4 : 6;
  record.port = backend.address.port();
  if (v4) {
    std::memcpy(record.address, &backend.address.v4.sin_addr, 4);
  } else {
    std::memcpy(record.address, &backend.address.v6.sin6_addr, 16);
  }
  return record;
}

}  // namespace

SnapshotBuilder::SnapshotBuilder(const ContractView& contract, const Snapshot* previous,
                                 std::function<bool(uint16_t)> backendHasFlows,
                                 std::span<const std::unique_ptr<Snapshot>> unadopted)
    : contract_(contract), previous_(previous), unadopted_(unadopted), backendHasFlows_(std::move(backendHasFlows)) {}

std::variant<std::unique_ptr<Snapshot>, Failure> SnapshotBuilder::build() {
  takeSettings();
  if (auto failure = placeBackends()) return *failure;
  nameSources();
  if (auto failure = buildRouting()) return *failure;
  // Last: a socket that was opened and is closed again takes along what it has received.
  if (auto failure = placeEndpoints()) return *failure;
  refuseSources();
  return std::move(next_);
}

std::variant<std::unique_ptr<Snapshot>, Failure> SnapshotBuilder::buildWithoutSockets() {
  takeSettings();
  if (auto failure = placeBackends()) return *failure;
  if (auto failure = buildRouting()) return *failure;
  return std::move(next_);
}

void SnapshotBuilder::refuseSources() {
  std::vector<SocketAddress> addresses;
  for (const Backend& backend : next_->backends) {
    if (backend.state != BackendState::kRetired) addresses.push_back(backend.address);
  }
  for (const auto& endpoint : next_->endpoints) {
    if (endpoint) addresses.push_back(endpoint->address);
  }
  next_->refusedSources = RefusedSources(next_->hashKey, addresses);
}

void SnapshotBuilder::takeSettings() {
  const ContractHeader& header = contract_.header();
  next_ = std::make_unique<Snapshot>();
  next_->generation = header.generation;
  next_->mode = header.mode;
  next_->fallback = header.fallback;
  next_->shortHeaderCidLength = header.shortHeaderCidLength;
  next_->idleTimeoutMs = header.idleTimeoutMs;
  next_->newFlowsPerSecond = header.newFlowsPerSecond;
  next_->sampleOneIn = header.sampleOneIn;
  next_->hashKey = SipKey::from(header.hashKey);
  next_->buffers = {header.receiveBufferBytes, header.sendBufferBytes};
  next_->workers = header.workers;
  next_->upstreamSocketsPerWorker = workers_.upstreamSocketsPerWorker;
  next_->steering = workers_.steering;
  next_->tables = workers_.tables;
}

std::optional<Failure> SnapshotBuilder::buildRouting() {
  if (auto failure = buildQuicLb()) return failure;
  buildMaglev();
  return std::nullopt;
}

std::optional<Failure> SnapshotBuilder::placeEndpoints() {
  std::vector<uint32_t> fresh;
  for (uint32_t i = 0; i < contract_.endpointCount(); i++) {
    auto kept = keepEndpoint(addressOf(contract_.endpoint(i)));
    if (auto* failure = std::get_if<Failure>(&kept)) {
      failure->endpoint = static_cast<int>(i);
      return *failure;
    }
    if (!std::get<bool>(kept)) fresh.push_back(i);
  }
  for (const uint32_t index : fresh) {
    auto failure = placeFreshEndpoint(index);
    if (!failure) continue;
    const bool optional = (contract_.endpoint(index).flags & kEndpointOptional) != 0;
    if (optional && addressFamilyMissing(*failure)) continue;
    failure->endpoint = static_cast<int>(index);
    return failure;
  }
  return std::nullopt;
}

/// False when the previous snapshot has no such endpoint.
std::variant<bool, Failure> SnapshotBuilder::keepEndpoint(const SocketAddress& address) {
  if (previous_ == nullptr) return false;
  for (size_t slot = 0; slot < kMaxEndpoints; slot++) {
    const auto& existing = previous_->endpoints[slot];
    if (!existing || !(existing->address == address)) continue;
    next_->endpoints[slot] = existing;
    if (isComplete(*existing)) return true;
    auto changed = std::make_shared<ListenEndpoint>(*existing);
    if (auto failure = openSockets(*changed)) return *failure;
    next_->endpoints[slot] = std::move(changed);
    return true;
  }
  return false;
}

/// Whether the endpoint has the sockets that the workers need, and none of workers that are no more.
bool SnapshotBuilder::isComplete(const ListenEndpoint& endpoint) const {
  const size_t count = endpoint.sockets.size();
  if (workers_.steering != nullptr && !endpoint.steered && endpoint.steeringRefusal.empty()) return false;
  if (count < contract_.header().workers || count > workers_.tables.size()) return false;
  const auto end = endpoint.sockets.begin() + contract_.header().workers;
  return std::none_of(endpoint.sockets.begin(), end, [](const auto& socket) { return socket->left; });
}

std::optional<Failure> SnapshotBuilder::placeFreshEndpoint(uint32_t index) {
  auto fresh = std::make_shared<ListenEndpoint>();
  fresh->address = addressOf(contract_.endpoint(index));
  if (!portIsOurs(fresh->address)) {
    if (auto failure = probePortIsFree(fresh->address)) return failure;
  }
  if (auto failure = openSockets(*fresh)) return failure;
  // A slot that a snapshot uses which a worker may still run on is left alone: they tell endpoints apart by slot while
  // they change over.
  const auto taken = [this](size_t slot) {
    return next_->endpoints[slot] != nullptr || (previous_ != nullptr && previous_->endpoints[slot] != nullptr) ||
           std::ranges::any_of(unadopted_, [slot](const auto& older) { return older->endpoints[slot] != nullptr; });
  };
  size_t slot = 0;
  while (slot < kMaxEndpoints && taken(slot)) slot++;
  if (slot == kMaxEndpoints) {
    return Failure{FailureCode::kListenFailed, "more listening addresses than places while they change over"};
  }
  next_->endpoints[slot] = std::move(fresh);
  return std::nullopt;
}

/// A change from the wildcard to one address of the same port, or back, meets our own sockets; and a source port toward
/// backends may become one that is listened on.
bool SnapshotBuilder::portIsOurs(const SocketAddress& address) const {
  if (workers_.lendPort(address.port())) return true;
  if (previous_ == nullptr) return false;
  return std::any_of(previous_->endpoints.begin(), previous_->endpoints.end(), [&address](const auto& existing) {
    return existing && existing->address.family() == address.family() && existing->address.port() == address.port();
  });
}

/// A socket for each worker that has none, or one that has left the group; none for workers that are no more.
std::optional<Failure> SnapshotBuilder::openSockets(ListenEndpoint& endpoint) const {
  const ContractHeader& header = contract_.header();
  const ListenOptions options{{header.receiveBufferBytes, header.sendBufferBytes}, header.mode != Mode::kBaseline};
  const auto close = [&endpoint](size_t worker) {
    endpoint.dropsOfClosed += readSocketDrops(endpoint.sockets[worker]->fd.get());
  };
  for (size_t worker = workers_.tables.size(); worker < endpoint.sockets.size(); worker++) close(worker);
  const size_t present = std::min(endpoint.sockets.size(), workers_.tables.size());
  // A worker that leaves and came after this endpoint's last change has no socket here and needs none.
  endpoint.sockets.resize(std::max<size_t>(present, header.workers));
  for (uint32_t worker = 0; worker < header.workers; worker++) {
    auto& socket = endpoint.sockets[worker];
    if (socket && !socket->left) continue;
    auto opened = openListenSocket(endpoint.address, options);
    if (auto* failure = std::get_if<Failure>(&opened)) return *failure;
    if (socket) close(worker);
    socket = std::make_shared<ListenSocket>();
    socket->fd = std::get<FileDescriptor>(std::move(opened));
  }
  if (workers_.steering != nullptr) steer(endpoint);
  return std::nullopt;
}

/// The map first: a datagram that the program sees must find its sockets.
void SnapshotBuilder::steer(ListenEndpoint& endpoint) const {
  if (!endpoint.steered) {
    auto attached = workers_.steering->attach(endpoint.sockets.front()->fd.get());
    if (auto* refusal = std::get_if<BpfRefusal>(&attached)) {
      endpoint.steeringRefusal = refusal->why;
      return;
    }
    endpoint.steered = std::get<std::unique_ptr<SteeredGroup>>(std::move(attached));
  }
  endpoint.steeringRefusal.clear();
  for (uint32_t worker = 0; worker < contract_.header().workers; worker++) {
    ListenSocket& socket = *endpoint.sockets[worker];
    if (!socket.steered) socket.steered = endpoint.steered->setSocket(worker, socket.fd.get());
    if (socket.steered) continue;
    endpoint.steeringRefusal = std::string("the kernel refused a socket for steering: ") + std::strerror(errno);
  }
}

std::optional<Failure> SnapshotBuilder::placeBackends() {
  const std::map<std::string, uint16_t> known = retireAll();
  slotOfRecord_.assign(contract_.backendCount(), 0);
  std::vector<uint32_t> fresh;
  for (uint32_t i = 0; i < contract_.backendCount(); i++) {
    const auto found = known.find(identity(addressOf(contract_.backend(i))));
    if (found == known.end()) {
      fresh.push_back(i);
      continue;
    }
    slotOfRecord_[i] = found->second;
    next_->backends[found->second].state = BackendState::kActive;
    next_->backends[found->second].weight = contract_.backend(i).weight;
  }
  for (const uint32_t index : fresh) {
    if (!placeFreshBackend(index)) {
      return Failure{FailureCode::kNeedsRestart,
                     "removed backends still have flows and fill all " + std::to_string(kMaxBackends) + " places"};
    }
  }
  for (const Backend& backend : next_->backends) {
    next_->backendEpochs.push_back(backend.state == BackendState::kRetired ? uint8_t{0} : backend.epoch);
  }
  return std::nullopt;
}

/// Which local addresses every backend is reached from now.
void SnapshotBuilder::nameSources() {
  freeSources();
  const LocalAddresses local;
  for (Backend& backend : next_->backends) {
    backend.sourceCount = 0;
    if (backend.state == BackendState::kRetired) continue;
    const std::vector<MappedAddress> addresses = local.toward(backend.address);
    for (const MappedAddress& address : addresses) {
      const auto index = sourceIndex(address);
      if (index) backend.sources[backend.sourceCount++] = *index;
    }
    // What other backends send to the port of a backend on this host must not be taken for a reply to us.
    if (isOnThisHost(backend.address, addresses)) next_->portsNamed.set(backend.address.port());
  }
  for (uint32_t i = 0; i < contract_.endpointCount(); i++) next_->portsNamed.set(contract_.endpoint(i).port);
}

/// Gives back the places of addresses from which, by the previous snapshot, no flow could begin, and none is left.
void SnapshotBuilder::freeSources() {
  if (previous_ == nullptr) return;
  next_->sources = previous_->sources;
  std::bitset<kMaxSources + 1> named;
  for (const Backend& backend : previous_->backends) {
    for (size_t i = 0; i < backend.sourceCount; i++) named.set(backend.sources[i]);
  }
  for (size_t index = 0; index < next_->sources.size(); index++) {
    if (!named[index] && !workers_.sourceHasFlows(static_cast<uint8_t>(index))) next_->sources[index] = {};
  }
}

/// None when all places are taken.
std::optional<uint8_t> SnapshotBuilder::sourceIndex(const MappedAddress& address) {
  auto& sources = next_->sources;
  auto found = std::ranges::find(sources, address);
  if (found == sources.end()) found = std::ranges::find(sources, MappedAddress{});
  if (found == sources.end()) {
    if (sources.size() == kMaxSources) return std::nullopt;
    found = sources.insert(found, address);
  }
  *found = address;
  return static_cast<uint8_t>(found - sources.begin());
}

/// Takes over the previous backends as if none were in the contract; returns where each one is.
std::map<std::string, uint16_t> SnapshotBuilder::retireAll() {
  std::map<std::string, uint16_t> known;
  if (previous_ != nullptr) next_->backends = previous_->backends;
  for (size_t i = 0; i < next_->backends.size(); i++) {
    const auto slot = static_cast<uint16_t>(i);
    Backend& backend = next_->backends[slot];
    const bool hasFlows = backendHasFlows_(slot);
    const bool isRetired =
        backend.state == BackendState::kRetired && std::ranges::all_of(unadopted_, [&](const auto& older) {
          return slot >= older->backends.size() || older->backends[slot].state == BackendState::kRetired;
        });
    if (isRetired && !hasFlows) reusable_.push_back(slot);
    backend.state = hasFlows ? BackendState::kDraining : BackendState::kRetired;
    known.emplace(identity(backend.address), slot);
  }
  return known;
}

bool SnapshotBuilder::placeFreshBackend(uint32_t index) {
  const auto slot = takeSlot();
  if (!slot) return false;
  const BackendRecord record = contract_.backend(index);
  Backend& backend = next_->backends[*slot];
  const auto epoch = static_cast<uint8_t>(backend.epoch == 0xff ? 1 : backend.epoch + 1);
  backend = {addressOf(record), record.weight, epoch, BackendState::kActive};
  slotOfRecord_[index] = *slot;
  return true;
}

/// A slot that was retired in every snapshot that a worker may still run on, and has no flows: no worker can have begun
/// one since. Connection IDs that still name its former backend carry the former epoch and match no more.
std::optional<uint16_t> SnapshotBuilder::takeSlot() {
  while (!reusable_.empty()) {
    const uint16_t slot = reusable_.back();
    reusable_.pop_back();
    if (next_->backends[slot].state != BackendState::kActive) return slot;
  }
  if (next_->backends.size() == kMaxBackends) return std::nullopt;
  next_->backends.push_back({});
  return static_cast<uint16_t>(next_->backends.size() - 1);
}

std::optional<Failure> SnapshotBuilder::buildQuicLb() {
  std::array<std::vector<std::pair<ServerId, uint16_t>>, kMaxQuicLbConfigs> servers;
  std::set<std::pair<uint8_t, Block128>> seen;
  for (uint32_t i = 0; i < contract_.serverIdCount(); i++) {
    const ServerIdRecord record = contract_.serverId(i);
    ServerId server;
    server.length = record.length;
    std::memcpy(server.octets.data(), record.octets, sizeof record.octets);
    if (!seen.emplace(record.rotation, server.octets).second) {
      return Failure{FailureCode::kContractInvalid,
                     "two backends have one server ID (entry " + std::to_string(i) + ")"};
    }
    servers[record.rotation].emplace_back(server, slotOfRecord_[record.backend]);
  }
  for (uint32_t i = 0; i < contract_.quicLbCount(); i++) {
    const QuicLbRecord record = contract_.quicLb(i);
    const QuicLbConfig config(record.serverIdLength, record.nonceLength, record.encrypted != 0 ? record.key : nullptr);
    next_->quicLb.add(record.rotation, config, ServerIds(servers[record.rotation], next_->hashKey));
  }
  return std::nullopt;
}

/// No new flow to a backend that this host has no way to, unless that goes for all: then it is said, and each datagram
/// that is lost is counted.
void SnapshotBuilder::buildMaglev() {
  const auto mayServe = [](const Backend& backend) {
    return backend.state == BackendState::kActive && backend.weight > 0 && backend.sourceCount > 0;
  };
  const bool anyReachable = std::ranges::any_of(next_->backends, mayServe);
  std::vector<MaglevBackend> backends;
  next_->takesNew.assign(next_->backends.size(), 0);
  for (size_t slot = 0; slot < next_->backends.size(); slot++) {
    const Backend& backend = next_->backends[slot];
    if (backend.state != BackendState::kActive) continue;
    const uint32_t weight = anyReachable && backend.sourceCount == 0 ? 0 : backend.weight;
    backends.push_back({backendIdOf(recordOf(backend)), weight, static_cast<uint16_t>(slot)});
    next_->takesNew[slot] = weight > 0 ? 1 : 0;
  }
  next_->maglev = MaglevTable::build(next_->hashKey, backends);
}

}  // namespace quicproxy
