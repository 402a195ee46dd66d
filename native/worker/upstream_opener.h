#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "context/upstream.h"
#include "forward/upstream_ports.h"
#include "route/siphash.h"
#include "snapshot/snapshot.h"

namespace quicproxy {

/// Opens what workers reach backends with, for all of them at one level: what the host does not allow to one worker is
/// used by none. Control thread only.
class UpstreamOpener {
 public:
  UpstreamOpener(const ContractHeader& header, SipKey key) : header_(header), key_(key) {}

  /// The best level that can be had for workers of these flow capacities and for the backends of the first snapshot.
  std::vector<std::unique_ptr<Upstream>> openAll(std::span<const uint32_t> flowCapacities, const Snapshot& first);
  /// One more at the same level. The text says which step failed and why.
  std::variant<std::unique_ptr<Upstream>, std::string> open(uint32_t worker, uint32_t flowCapacity);

  /// Tells the SK_LOOKUP program whose replies to catch. False with errno set when the kernel refuses.
  bool catchFrom(const Snapshot& snapshot, UpstreamPorts::Keep keep);

  /// Tells which ports this process and its backends on this host listen on, once their sockets are there; the lent
  /// ones (lendPort) among the others are kept from this process again.
  void sparePorts(const Snapshot& snapshot);
  /// Whether a source port that nobody else can have may be listened on now.
  bool lendPort(uint16_t port) { return ports_ && ports_->lend(port); }
  /// Leaves ports alone that other programs of this host have come to.
  void yieldPorts();

  [[nodiscard]] const char* level() const { return ports_ ? "RawSend" : "ConnectedSocketPool"; }
  /// Why it is not RawSend; empty when it is, or was not asked for.
  [[nodiscard]] const std::string& reason() const { return reason_; }
  [[nodiscard]] const UpstreamPorts* ports() const { return ports_.get(); }

 private:
  std::string openRaw(std::span<const uint32_t> flowCapacities, const Snapshot& first,
                      std::vector<std::unique_ptr<Upstream>>& upstreams);
  [[nodiscard]] std::unique_ptr<Upstream> openPool(uint32_t flowCapacity) const;

  ContractHeader header_;
  SipKey key_;
  std::unique_ptr<UpstreamPorts> ports_;  ///< of RawSend
  std::string reason_;
};

}  // namespace quicproxy
