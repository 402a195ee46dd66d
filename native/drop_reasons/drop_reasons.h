#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "bpf/bpf_object.h"
#include "bpf/drop_reasons.h"
#include "io/file_descriptor.h"

namespace quicproxy {

/// What to count, and by which of the kernel's tracepoints.
struct DropReasonsSettings {
  /// Inode numbers of network namespaces, 1 to QP_DROP_NAMESPACES.
  std::span<const uint32_t> namespaces = {};
  /// Counted apart, at most QP_DROP_PORTS; all others together.
  std::span<const uint16_t> ports = {};
  /// Every reason (skb:kfree_skb), or full queues alone (udp:udp_fail_queue_rcv_skb)?
  enum class Witness : uint8_t { Reasons, QueueFailures } witness = Witness::Reasons;
  /// As on a kernel before 6.11, whose reasons come without a socket. For tests.
  bool withoutReceiveSocket = false;
};

/// Why there is no such witness on this host.
struct DropReasonsRefusal {
  enum class Cause : uint8_t {
    NoTypes,       ///< the kernel does not tell its types (no CONFIG_DEBUG_INFO_BTF)
    NoTracepoint,  ///< this kernel has no such tracepoint, or it tells no reasons (before 5.17)
    NoRights,      ///< CAP_BPF and CAP_PERFMON
    Refused,       ///< by the verifier, a lockdown, or for want of memory
    Settings,      ///< too many or no namespaces or ports
  } cause;
  /// For people.
  std::string why;
  int systemError;
};

/// Summed over CPUs.
struct DropEntry {
  drop_key key;
  drop_count count;
};

struct DropTotals {
  std::vector<DropEntry> entries;
  uint64_t events = 0;
  uint64_t lost = 0;
  uint64_t unreadable = 0;
  /// Runs that the kernel left out.
  uint64_t missed = 0;
};

/// The kernel's own reasons for drops, counted by programs in the kernel from attach() until detach(), destruction or
/// the end of the process, however it ends. Nothing is pinned; nothing runs for what is delivered. One thread at a
/// time.
class DropReasons {
 public:
  static std::variant<DropReasons, DropReasonsRefusal> attach(const DropReasonsSettings& settings);

  /// Counts since attach(); also after detach().
  [[nodiscard]] DropTotals read() const;

  /// Of those counts the events alone: cheap enough to be asked often.
  [[nodiscard]] uint64_t events() const { return sum().events; }

  /// What was counted stays readable.
  void detach();

 private:
  struct Attached {
    int program;
    FileDescriptor link;
  };
  explicit DropReasons(BpfObject object) : object_(std::move(object)) {}
  [[nodiscard]] bool watch(const DropReasonsSettings& settings) const;
  [[nodiscard]] std::vector<DropEntry> entries() const;
  [[nodiscard]] drop_totals sum() const;

  BpfObject object_;
  std::vector<Attached> attached_;
};

}  // namespace quicproxy
