#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <variant>

#include "bpf/bpf_object.h"
#include "bpf/steer.h"
#include "io/file_descriptor.h"
#include "wire/four_tuple.h"

namespace quicproxy {

/// The steering program on one listening address: its own sockets, the maps of all.
class SteeredGroup {
 public:
  /// Puts a worker's socket into the group, or takes it out again; false with errno set when the kernel refuses.
  [[nodiscard]] bool setSocket(uint32_t worker, int fd) const;
  void removeSocket(uint32_t worker) const;

 private:
  friend class Steering;
  explicit SteeredGroup(BpfObject object) : object_(std::move(object)) {}

  BpfObject object_;
};

/// Steering level ConnectionId (docs/adr/0013): the kernel hands every packet of a connection to the worker that
/// learned its Connection ID, also after the client's address changed, and every packet of a path to one worker. What
/// no map knows goes by the kernel's hash of the 4-tuple, as without steering. Needs CAP_BPF.
class Steering {
 public:
  /// The text says why the kernel refused.
  static std::variant<std::unique_ptr<Steering>, BpfRefusal> create();

  /// Attaches the program to the SO_REUSEPORT group that `groupMember` belongs to.
  std::variant<std::unique_ptr<SteeredGroup>, BpfRefusal> attach(int groupMember) const;

  /// Any worker: packets with this Connection ID go to `worker` from now on. One call of the kernel, so for IDs that a
  /// backend vouched for, never for what a client made up.
  void keepCid(uint32_t worker, std::span<const uint8_t> cid);
  /// Any worker: a path that came by its Connection ID stays, whatever IDs it shows later.
  void keepPath(uint32_t worker, const FourTuple& tuple);

  /// Messages by steer_outcome since the start, of all groups.
  [[nodiscard]] std::array<uint64_t, QP_STEER_OUTCOMES> outcomes() const;

 private:
  explicit Steering(BpfObject object) : object_(std::move(object)) {}
  void publishSettings();

  BpfObject object_;
  std::atomic<uint32_t> cidLengths_{0};
  std::atomic<bool> pathsInUse_{false};
};

}  // namespace quicproxy
