#include "drop_reasons/drop_reasons.h"

#include <cerrno>
#include <cstring>
#include <optional>

#include "drop_reasons.object.h"

namespace quicproxy {

namespace {

using Cause = DropReasonsRefusal::Cause;
using Loaded = std::variant<DropReasons, DropReasonsRefusal>;

constexpr const char* kReasons = "kfree_skb";
constexpr const char* kFailures = "udp_fail_queue_rcv_skb";
constexpr const char* kReasonsProgram = "drop_reasons";
constexpr const char* kFailuresProgram = "queue_failures";
/// kfree_skb(skb, location, reason, rx_sk)
constexpr size_t kWithReason = 3;
constexpr size_t kWithReceiveSocket = 4;
/// udp_fail_queue_rcv_skb(rc, sk, skb)
constexpr size_t kFailureWithSocket = 2;
constexpr size_t kFailureWithSkb = 3;

DropReasonsRefusal refused(const BpfRefusal& refusal) {
  if (refusal.systemError == EPERM) {
    return {Cause::NoRights, "it needs CAP_BPF and CAP_PERFMON", refusal.systemError};
  }
  return {Cause::Refused, refusal.why, refusal.systemError};
}

std::optional<std::string> faultOf(const DropReasonsSettings& settings) {
  const size_t namespaces = settings.namespaces.size();
  if (namespaces == 0 || namespaces > QP_DROP_NAMESPACES) {
    return "1 to " + std::to_string(QP_DROP_NAMESPACES) + " network namespaces can be watched, not " +
           std::to_string(namespaces);
  }
  if (settings.ports.size() > QP_DROP_PORTS) {
    return std::to_string(QP_DROP_PORTS) + " ports can be counted apart, not " + std::to_string(settings.ports.size());
  }
  return std::nullopt;
}

/// How many arguments the two tracepoints have here.
struct Tracepoints {
  size_t reasons = 0;
  size_t failures = 0;
};

std::variant<Tracepoints, DropReasonsRefusal> readTracepoints() {
  const auto reasons = tracepointArguments(kReasons);
  if (const auto* refusal = std::get_if<BpfRefusal>(&reasons)) {
    return DropReasonsRefusal{Cause::NoTypes, refusal->why, refusal->systemError};
  }
  const auto failures = tracepointArguments(kFailures);
  const auto* count = std::get_if<size_t>(&failures);
  return Tracepoints{std::get<size_t>(reasons), count == nullptr ? 0 : *count};
}

struct Plan {
  drop_tracepoints constants{};
  std::vector<const char*> programs;
};

std::variant<Plan, DropReasonsRefusal> planFor(const DropReasonsSettings& settings, const Tracepoints& tracepoints) {
  const bool hasFailures = tracepoints.failures >= kFailureWithSocket;
  Plan plan;
  plan.constants.failure_has_skb = tracepoints.failures >= kFailureWithSkb ? 1 : 0;
  if (settings.witness == DropReasonsSettings::Witness::QueueFailures) {
    if (!hasFailures) {
      return DropReasonsRefusal{Cause::NoTracepoint, "the kernel has no tracepoint udp:udp_fail_queue_rcv_skb", ENOENT};
    }
    plan.programs = {kFailuresProgram};
    return plan;
  }
  if (tracepoints.reasons < kWithReason) {
    return DropReasonsRefusal{Cause::NoTracepoint, "the kernel gives no drop reasons (5.17 and newer do)", ENOENT};
  }
  const bool hasSocket = tracepoints.reasons >= kWithReceiveSocket && !settings.withoutReceiveSocket;
  plan.constants.has_receive_socket = hasSocket ? 1 : 0;
  plan.constants.failures_beside = !hasSocket && hasFailures ? 1 : 0;
  plan.programs = {kReasonsProgram};
  if (plan.constants.failures_beside != 0) plan.programs.push_back(kFailuresProgram);
  return plan;
}

}  // namespace

Loaded DropReasons::attach(const DropReasonsSettings& settings) {
  if (const auto fault = faultOf(settings)) return DropReasonsRefusal{Cause::Settings, *fault, EINVAL};
  const auto tracepoints = readTracepoints();
  if (const auto* refusal = std::get_if<DropReasonsRefusal>(&tracepoints)) return *refusal;
  const auto planned = planFor(settings, std::get<Tracepoints>(tracepoints));
  if (const auto* refusal = std::get_if<DropReasonsRefusal>(&planned)) return *refusal;
  const Plan& plan = std::get<Plan>(planned);

  uint8_t constants[sizeof plan.constants];
  std::memcpy(constants, &plan.constants, sizeof constants);
  auto loaded =
      BpfObject::load(kDropReasonsObject, "quicproxy_drops", {.programs = plan.programs, .constants = constants});
  if (const auto* refusal = std::get_if<BpfRefusal>(&loaded)) return refused(*refusal);
  DropReasons result(std::get<BpfObject>(std::move(loaded)));
  // A program that runs before it knows what to watch would miss the first drops.
  if (!result.watch(settings)) return DropReasonsRefusal{Cause::Refused, std::strerror(errno), errno};
  for (const char* name : plan.programs) {
    const int program = result.object_.program(name);
    FileDescriptor link(attachToTracepoint(program));
    if (!link) return refused({std::string("attaching the program: ") + std::strerror(errno), errno});
    result.attached_.push_back({program, std::move(link)});
  }
  return result;
}

bool DropReasons::watch(const DropReasonsSettings& settings) const {
  const uint8_t present = 1;
  for (const uint32_t netns : settings.namespaces) {
    if (setMapElement(object_.map("watched_namespaces"), &netns, &present) != 0) return false;
  }
  for (const uint16_t port : settings.ports) {
    if (setMapElement(object_.map("watched_ports"), &port, &present) != 0) return false;
  }
  return true;
}

std::vector<DropEntry> DropReasons::entries() const {
  const int map = object_.map("counts");
  std::vector<drop_count> counts(possibleCpus());
  std::vector<DropEntry> entries;
  drop_key key{};
  if (!nextMapKey(map, nullptr, &key)) return entries;
  do {
    if (!readMapElement(map, &key, counts.data())) continue;
    DropEntry entry{key, {}};
    for (const drop_count& count : counts) {
      entry.count.skbs += count.skbs;
      entry.count.datagrams += count.datagrams;
      entry.count.octets += count.octets;
    }
    entries.push_back(entry);
    // The program never deletes a key, so that the walk ends; a map that misbehaved would not keep us.
  } while (entries.size() < QP_DROP_KEYS && nextMapKey(map, &key, &key));
  return entries;
}

drop_totals DropReasons::sum() const {
  drop_totals sum{};
  std::vector<drop_totals> perCpu(possibleCpus());
  const uint32_t zero = 0;
  if (perCpu.empty() || !readMapElement(object_.map("totals"), &zero, perCpu.data())) return sum;
  for (const drop_totals& one : perCpu) {
    sum.events += one.events;
    sum.lost += one.lost;
    sum.unreadable += one.unreadable;
  }
  return sum;
}

DropTotals DropReasons::read() const {
  const drop_totals sums = sum();
  DropTotals totals{.entries = entries(), .events = sums.events, .lost = sums.lost, .unreadable = sums.unreadable};
  for (const Attached& attached : attached_) totals.missed += missedRuns(attached.program);
  return totals;
}

void DropReasons::detach() {
  for (Attached& attached : attached_) attached.link.reset();
}

}  // namespace quicproxy
