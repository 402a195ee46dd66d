#include "client.h"

#include <poll.h>

#include "io/clock.h"

namespace quicproxy::soak {

namespace {

/// Paths with an odd index are IPv6.
constexpr size_t kPaths = 24;
constexpr size_t kConnections = 64;
constexpr uint32_t kTimeoutMs = 300;
constexpr uint32_t kMaxTimeouts = 3;
constexpr uint32_t kMaxTrain = 8;
constexpr size_t kMaxViolationsTold = 5;
/// For the answers that are under way when everything stops.
constexpr uint32_t kLingerMs = 300;

FileDescriptor openPath(size_t path) {
  FileDescriptor fd(socket(path % 2 == 0 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  SocketAddress any = loopback(path % 2 == 0 ? 4 : 6, 0);
  static_cast<void>(bind(fd.get(), &any.any, any.length));
  return fd;
}

}  // namespace

Client::Client(const Presence& presence, const std::array<uint16_t, kListeners>& ports, uint32_t seed)
    : presence_(presence), random_(seed), connections_(kConnections) {
  for (uint16_t i = 0; i < kListeners; i++) listeners_[i] = loopback(familyOf(i), ports[i]);
  for (size_t i = 0; i < kPaths; i++) paths_.push_back(openPath(i));
  for (size_t i = 0; i < kConnections; i++) {
    connections_[i].listener = static_cast<uint16_t>(i % kListeners);
    connections_[i].path = pathOf(connections_[i].listener);
  }
}

size_t Client::pathOf(uint16_t listener) {
  return random_() / 7 % (kPaths / 2) * 2 + (familyOf(listener) == 6 ? 1 : 0);
}

void Client::run() {
  while (!presence_.stopping) {
    bool busy = receiveAll();
    const uint32_t nowMs = monotonicMs();
    for (Connection& connection : connections_) busy = act(connection, nowMs) || busy;
    if (!busy) poll(nullptr, 0, 1);
  }
  for (const uint32_t since = monotonicMs(); monotonicMs() - since < kLingerMs;) {
    if (!receiveAll()) poll(nullptr, 0, 1);
  }
}

bool Client::receiveAll() {
  std::array<uint8_t, 2048> buffer;
  bool any = false;
  for (const FileDescriptor& path : paths_) {
    while (true) {
      const ssize_t size = recv(path.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size < 0) break;
      any = true;
      figures_.received++;
      receive({buffer.data(), static_cast<size_t>(size)});
    }
  }
  return any;
}

void Client::receive(std::span<const uint8_t> datagram) {
  const auto note = noteOf(datagram);
  const auto found = note ? byId_.find(note->connection) : byId_.end();
  if (found == byId_.end()) {
    figures_.strays++;
    return;
  }
  Connection& connection = connections_[found->second];
  const uint32_t nowMs = monotonicMs();
  if (connection.established) {
    judge(connection, *note, nowMs);
  } else if (const auto serverCid = scidOf(datagram)) {
    connection.accept(presence_, *note, *serverCid);
  }
  if (!connection.established || note->backend != connection.backend) return;
  if (note->exchange != connection.exchange) return;
  if (connection.waiting) figures_.exchanges++;
  connection.waiting = false;
  connection.timeouts = 0;
  connection.answeredAtMs = connection.sentAtMs;
}

void Client::judge(Connection& connection, const Note& note, uint32_t nowMs) {
  const bool promised = connection.isPromised(presence_, nowMs);
  if (promised) figures_.judged++;
  if (note.backend == connection.backend) return;
  if (promised && figures_.violations.size() < kMaxViolationsTold) {
    figures_.violations.push_back("exchange " + std::to_string(note.exchange) + " of a connection of backend " +
                                  std::to_string(connection.backend) + " was answered by backend " +
                                  std::to_string(note.backend) + ", listener " + std::to_string(connection.listener) +
                                  (isRoutable(connection.cid) ? ", QUIC-LB" : ", learned ID"));
  }
  if (!promised) figures_.excused++;
  restart(connection, nowMs);
}

/// Whether anything was sent.
bool Client::act(Connection& connection, uint32_t nowMs) {
  if (connection.waiting) {
    if (nowMs - connection.sentAtMs < kTimeoutMs) return false;
    figures_.timeouts++;
    connection.waiting = false;
    connection.timeouts++;
  }
  const bool lost = connection.timeouts >= kMaxTimeouts || !connection.established;
  if (lost || oneIn(150)) {
    restart(connection, nowMs);
    return connection.waiting;
  }
  if (oneIn(60)) rebind(connection.path);
  if (oneIn(20)) move(connection);
  if (oneIn(80)) sendJunk(connection);
  exchange(connection, nowMs);
  return true;
}

void Client::restart(Connection& connection, uint32_t nowMs) {
  byId_.erase(connection.id);
  const auto own = connection.begin(presence_, random_);
  if (!own) return;
  byId_[connection.id] = static_cast<size_t>(&connection - connections_.data());
  figures_.connections++;
  connection.waiting = true;
  connection.sentAtMs = nowMs;
  send(connection, {longHeader(plainCid(random_), *own, 1200, {.connection = connection.id})});
}

/// To an address that other connections use as well; a client of a QUIC-LB server may take a fresh ID along.
void Client::move(Connection& connection) {
  connection.path = pathOf(connection.listener);
  if (!isRoutable(connection.cid)) return;
  connection.cid = freshNonce(random_, connection.cid);
  figures_.migrations++;
}

/// What a NAT does: all that use the address have another one afterwards.
void Client::rebind(size_t path) {
  paths_[path] = openPath(path);
  figures_.rebindings++;
}

/// One datagram or a train, in which there may be some of the other connections of the same path.
void Client::exchange(Connection& connection, uint32_t nowMs) {
  connection.exchange++;
  connection.waiting = true;
  connection.sentAtMs = nowMs;
  const uint32_t count = oneIn(2) ? 1 : 1 + random_() / 7 % kMaxTrain;
  const size_t size = 64 + random_() / 7 % 1100;
  std::vector<Octets> train;
  for (const Connection& other : connections_) {
    if (train.size() + 1 >= count) break;
    if (!other.established || other.path != connection.path || other.listener != connection.listener) continue;
    train.push_back(shortHeader(other.cid, size, {.exchange = other.exchange, .connection = other.id}));
  }
  const auto answers = static_cast<uint8_t>(oneIn(3) ? 1 + random_() / 7 % kMaxTrain : 1);
  const Note note{.answers = answers, .exchange = connection.exchange, .connection = connection.id};
  while (train.size() < count) train.push_back(shortHeader(connection.cid, size, note));
  send(connection, train);
}

void Client::sendJunk(const Connection& connection) {
  for (const Octets& junk : {Octets{}, Octets{0}, Octets{0xc0, 1, 2}, randomOctets(random_, 40)}) {
    send(connection, {junk});
  }
}

void Client::send(const Connection& connection, const std::vector<Octets>& datagrams) {
  if (datagrams.size() > 1) figures_.trains++;
  figures_.sent += sendTrain(paths_[connection.path].get(), listeners_[connection.listener], datagrams);
}

}  // namespace quicproxy::soak
