#pragma once

#include <cstdint>
#include <cstring>

#include "context/flow_budget.h"
#include "context/sample_ring.h"
#include "context/upstream.h"
#include "context/worker_counters.h"
#include "context/worker_timing.h"
#include "io/icmp_kind.h"
#include "route/flow_table.h"
#include "route/learner.h"
#include "route/router.h"
#include "snapshot/snapshot.h"
#include "steer/steering.h"

namespace quicproxy {

/// What both directions of one worker work on. Belongs to that worker's thread alone.
struct WorkerContext {
  uint32_t worker;
  const Snapshot* snapshot;
  FlowTable& flows;
  Router router;
  Learner learner;
  Upstream& upstream;
  WorkerCounters counters;
  WorkerTiming timing;
  SampleRing samples;
  FlowBudget strangers;  ///< new flows of clients that nobody knows
  FlowBudget movers;     ///< new flows of known connections: no flood of strangers takes from these
  FlowBudget searches;   ///< looks into the other workers' tables
  uint32_t nowMs = 0;    ///< monotonic, modulo 2^32; read once per wake-up

  [[nodiscard]] int listenFd(uint8_t endpoint) const { return snapshot->listenFd(endpoint, worker); }

  /// Notes a datagram of a sampled flow; `sample` has the times and the outcome.
  void note(uint32_t index, Sample sample) {
    const Flow& flow = flows.at(index);
    sample.connection = flows.historyOf(index).connection;
    sample.backendSlot = flow.backendSlot;
    sample.clientPort = flow.tuple.remotePort();
    sample.worker = static_cast<uint8_t>(worker);
    std::memcpy(sample.clientAddress, flow.tuple.withoutInterface().remote, sizeof sample.clientAddress);
    counters.add(samples.push(sample) ? Counter::sample_events : Counter::sample_lost);
  }

  /// Null: the kernel's hash alone spreads datagrams over workers.
  [[nodiscard]] Steering* steering() const { return snapshot->steering; }

  /// An ICMP error about a flow. Everybody can send such: only what quotes a datagram that was sent lately counts.
  void countIcmpError(uint32_t flow, IcmpKind kind, bool quotesSent) {
    if (!quotesSent) {
      counters.add(Counter::return_icmp_unmatched);
    } else if (kind == IcmpKind::kTooBig) {
      counters.add(Counter::return_path_too_big);
    } else {
      counters.add(Counter::return_backend_refused);
      counters.add(flows.at(flow).backendSlot, BackendCounter::kRefused);
    }
  }

  /// Ends a flow: its upstream port and its places in the tables are free.
  void endFlow(uint32_t flow) {
    const uint16_t slot = flows.at(flow).backendSlot;
    if (steering() != nullptr && flows.at(flow).is(kFlowPathKept)) steering()->forgetPath(flows.at(flow).tuple);
    upstream.close(*this, flow);
    flows.remove(flow);
    counters.add(slot, BackendCounter::kFlows, static_cast<uint64_t>(-1));
  }

  /// What a datagram taught: into counters, and what the kernel should know of it to the steering program.
  void take(const Lesson& lesson, uint32_t flow) {
    if (lesson.learned != 0) counters.add(Counter::cid_learned, lesson.learned);
    if (lesson.claimed != 0) counters.add(Counter::cid_claimed, lesson.claimed);
    if (lesson.tableFull != 0) counters.add(Counter::cid_table_full, lesson.tableFull);
    if (lesson.lengthRefused != 0) counters.add(Counter::cid_length_refused, lesson.lengthRefused);
    if (lesson.confirmed) counters.add(Counter::flow_confirmed);
    if (steering() == nullptr) return;
    steering()->keepCid(worker, lesson.forSteering);
    if (lesson.pathSettled && !flows.at(flow).is(kFlowPathKept)) {
      steering()->keepPath(worker, flows.at(flow).tuple);
      flows.at(flow).set(kFlowPathKept);
    }
  }
};

}  // namespace quicproxy
