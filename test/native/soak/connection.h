#pragma once

#include <array>
#include <cstdint>

#include "echo_backends.h"
#include "presence.h"
#include "wire.h"

namespace quicproxy::soak {

/// A flow's place in the tables ends after this long without a datagram; an answer is judged only when the one before
/// it was asked for within half of that.
inline constexpr uint32_t kIdleMs = 8000;

/// One connection as its client knows it.
struct Connection {
  uint64_t id = 0;
  uint16_t listener = 0;
  size_t path = 0;
  bool established = false;
  /// Whether its backend was named all the time from the first datagram to the first answer.
  bool settled = false;
  uint16_t backend = 0;
  Octets cid;  ///< of the server
  uint32_t exchange = 0;
  bool waiting = false;
  uint32_t timeouts = 0;
  uint32_t sentAtMs = 0;      ///< of the present exchange
  uint32_t answeredAtMs = 0;  ///< when the last exchange that was answered had been sent
  uint32_t listenerEpoch = 0;
  std::array<uint32_t, kBackends> backendEpochs{};  ///< at the first datagram

  [[nodiscard]] std::optional<Octets> begin(const Presence& presence, Random& random);
  void accept(const Presence& presence, const Note& note, const Octets& serverCid);
  /// Whether the proxy promises that what this connection sent went to its backend: its listener was there all along,
  /// the connection was not idle, and, where the backend's ID alone tells the way, the backend was named all along.
  [[nodiscard]] bool isPromised(const Presence& presence, uint32_t nowMs) const;
};

inline std::optional<Octets> Connection::begin(const Presence& presence, Random& random) {
  const size_t keptPath = path;
  const uint16_t keptListener = listener;
  *this = Connection{};
  path = keptPath;
  listener = keptListener;
  const Octets own = plainCid(random);
  std::memcpy(&id, own.data(), sizeof id);
  listenerEpoch = presence.listeners[listener].load();
  if (!Presence::isIn(listenerEpoch)) return std::nullopt;
  for (uint16_t i = 0; i < kBackends; i++) backendEpochs[i] = presence.backends[i].load();
  return own;
}

inline void Connection::accept(const Presence& presence, const Note& note, const Octets& serverCid) {
  established = true;
  backend = note.backend;
  cid = serverCid;
  const uint32_t epoch = backendEpochs[backend];
  settled = Presence::isIn(epoch) && presence.backends[backend].load() == epoch;
}

inline bool Connection::isPromised(const Presence& presence, uint32_t nowMs) const {
  if (!settled || nowMs - answeredAtMs >= kIdleMs / 2) return false;
  if (presence.listeners[listener].load() != listenerEpoch) return false;
  return !isRoutable(cid) || presence.backends[backend].load() == backendEpochs[backend];
}

}  // namespace quicproxy::soak
