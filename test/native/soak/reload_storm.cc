#include "reload_storm.h"

#include "client.h"
#include "connection.h"

namespace quicproxy::soak {

namespace {

/// These and the first listener are always in, so that there is always a way.
constexpr uint16_t kLastingBackends = 2;
constexpr uint16_t kBackendsAtOnce = 8;
constexpr uint32_t kMaxSoakWorkers = 4;

}  // namespace

const std::vector<ReloadStorm::Step> ReloadStorm::kSteps{
    &ReloadStorm::toggleBackend, &ReloadStorm::toggleBackend,  &ReloadStorm::toggleListener,
    &ReloadStorm::changeWeights, &ReloadStorm::changeSettings, &ReloadStorm::changeWorkers,
    &ReloadStorm::refuse,
};

ReloadStorm::ReloadStorm(Presence& presence, const EchoBackends& backends,
                         const std::array<uint16_t, kListeners>& ports)
    : presence_(presence), backends_(backends), ports_(ports), sample_(0, 0) {
  ContractHeader& header = sample_.header;
  header.generation = 0;
  header.workers = 3;
  header.fallback = Fallback::kFourTuple;
  header.idleTimeoutMs = kIdleMs;
  header.flowMemoryBytes = 64 << 20;
  header.receiveBufferBytes = 1 << 20;
  header.sendBufferBytes = 1 << 20;
  header.upstreamSocketMax = 30000;
  header.sampleOneIn = 10;
  weights_.fill(1);
  for (uint16_t i = 0; i < kBackendsAtOnce; i++) backendsIn_.set(i);
  listenersIn_.set();
  for (uint16_t i = kBackendsAtOnce; i < kBackends; i++) presence_.backends[i]++;
  layOut();
}

std::vector<uint8_t> ReloadStorm::contract(UpstreamLevel level, Mode mode) {
  sample_.header.mode = mode;
  sample_.header.upstreamLevel = level;
  sample_.header.generation++;
  return sample_.bytes();
}

void ReloadStorm::layOut() {
  sample_.endpoints.clear();
  sample_.backends.clear();
  sample_.serverIds.clear();
  sample_.quicLb = {{.rotation = 0,
                     .serverIdLength = kServerIdOctets,
                     .nonceLength = kNonceOctets,
                     .encrypted = 0,
                     .reserved = 0,
                     .key = {}}};
  for (uint16_t i = 0; i < kListeners; i++) {
    if (!listenersIn_[i]) continue;
    EndpointRecord record{
        .address = {}, .port = ports_[i], .family = Client::familyOf(i), .flags = 0, .listener = i, .reserved = 0};
    writeLoopback(record.address, record.family);
    sample_.endpoints.push_back(record);
  }
  for (uint16_t i = 0; i < kBackends; i++) {
    if (!backendsIn_[i]) continue;
    BackendRecord record{.address = {},
                         .port = backends_.portOf(i),
                         .family = EchoBackends::familyOf(i),
                         .reserved = 0,
                         .weight = weights_[i]};
    writeLoopback(record.address, record.family);
    const auto index = static_cast<uint32_t>(sample_.backends.size());
    sample_.backends.push_back(record);
    if (!EchoBackends::isQuicLb(i)) continue;
    ServerIdRecord server{.backend = index, .rotation = 0, .length = kServerIdOctets, .reserved = 0, .octets = {}};
    std::memcpy(server.octets, serverIdOf(i).octets.data(), kServerIdOctets);
    sample_.serverIds.push_back(server);
  }
  sample_.layOut();
}

void ReloadStorm::step(DataPlane& plane) {
  (this->*kSteps[random(static_cast<uint32_t>(kSteps.size()))])(plane);
  look(plane);
}

/// One that lasts stays; of the others one goes, or one comes while there are few.
void ReloadStorm::toggleBackend(DataPlane& plane) {
  const auto backend = static_cast<uint16_t>(kLastingBackends + random(kBackends - kLastingBackends));
  const bool out = backendsIn_[backend];
  if (!out && backendsIn_.count() >= kBackendsAtOnce) return;
  if (out) presence_.backends[backend]++;
  backendsIn_.flip(backend);
  const bool applied = apply(plane);
  if (!applied) backendsIn_.flip(backend);
  if (out != applied) presence_.backends[backend]++;
}

void ReloadStorm::toggleListener(DataPlane& plane) {
  const auto listener = static_cast<uint16_t>(1 + random(kListeners - 1));
  const bool out = listenersIn_[listener];
  if (out) presence_.listeners[listener]++;
  listenersIn_.flip(listener);
  const bool applied = apply(plane);
  if (!applied) listenersIn_.flip(listener);
  if (out != applied) presence_.listeners[listener]++;
}

/// As health does it: some get no new connections for a while.
void ReloadStorm::changeWeights(DataPlane& plane) {
  for (uint16_t i = 1; i < kBackends; i++) weights_[i] = random(4);
  apply(plane);
}

void ReloadStorm::changeSettings(DataPlane& plane) {
  ContractHeader& header = sample_.header;
  header.sampleOneIn = random(3) * 5;
  header.newFlowsPerSecond = 10000 + random(10000);
  header.shortHeaderCidLength = random(2) == 0 ? kCidLengthLearned : uint8_t{kPlainCidOctets};
  header.receiveBufferBytes = (512 + random(4) * 256) * 1024;
  apply(plane);
}

/// Up and down; those that leave go on with their flows.
void ReloadStorm::changeWorkers(DataPlane& plane) {
  const uint32_t before = sample_.header.workers;
  sample_.header.workers = 1 + random(kMaxSoakWorkers);
  if (!apply(plane)) sample_.header.workers = before;
}

/// What may not be applied changes nothing.
void ReloadStorm::refuse(DataPlane& plane) {
  ContractSample stale = sample_;
  if (!plane.apply(stale.bytes())) figures_.failures.emplace_back("a contract of the present generation was taken");
  stale.header.generation++;
  stale.header.batch++;
  if (!plane.apply(stale.bytes())) figures_.failures.emplace_back("a contract that needs a restart was taken");
}

bool ReloadStorm::apply(DataPlane& plane) {
  layOut();
  sample_.header.generation++;
  const auto failure = plane.apply(sample_.bytes());
  if (!failure) {
    figures_.applied++;
    return true;
  }
  // Refused while a worker has not let go of the former sockets: the generation may be used once more.
  sample_.header.generation--;
  if (failure->code == FailureCode::kListenPortBusy) {
    figures_.postponed++;
  } else {
    figures_.failures.push_back(std::string(failureName(failure->code)) + ": " + failure->detail);
  }
  return false;
}

void ReloadStorm::look(DataPlane& plane) {
  const DataPlaneStatus status = plane.status();
  if (status.generation != sample_.header.generation) figures_.failures.emplace_back("status names another generation");
  figures_.samples += plane.takeSamples(4096).size();
}

}  // namespace quicproxy::soak
