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
  /// flowCapacity: of all workers together; there is room for a fourth as many IDs, 65,536 at least. An ID that the map
  /// forgot comes back when a worker finds it in another one's table. The text says why the kernel refused.
  static std::variant<std::unique_ptr<Steering>, BpfRefusal> create(uint32_t flowCapacity);

  /// Attaches the program to the SO_REUSEPORT group that `groupMember` belongs to.
  std::variant<std::unique_ptr<SteeredGroup>, BpfRefusal> attach(int groupMember) const;

  /// Any worker: packets with this Connection ID go to `worker` from now on. One call of the kernel, so for IDs that a
  /// backend showed or the client of a confirmed flow uses, never for what strangers make up.
  void keepCid(uint32_t worker, std::span<const uint8_t> cid);
  /// Any worker: a path that a connection moved to, and that has shown to receive, stays, whatever IDs it shows later.
  void keepPath(uint32_t worker, const FourTuple& tuple);
  /// Its flow has ended.
  void forgetPath(const FourTuple& tuple);

  /// The lengths that IDs in the map may have: bit n stands for n octets.
  void setLengths(uint32_t lengths);

  /// Messages by steer_outcome since the start, of all groups.
  [[nodiscard]] std::array<uint64_t, QP_STEER_OUTCOMES> outcomes() const;

 private:
  explicit Steering(BpfObject object) : object_(std::move(object)) {}
  void publishSettings();

  BpfObject object_;
  std::atomic<uint32_t> cidLengths_{0};
  std::atomic<uint32_t> paths_{0};
};

}  // namespace quicproxy
