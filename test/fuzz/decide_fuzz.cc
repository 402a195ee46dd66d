#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "route/routable_workers.h"

namespace {

using quicproxy::Decision;
using quicproxy::FourTuple;
using quicproxy::kNoFlow;
using quicproxy::RoutableWorkers;
using quicproxy::Rule;

void require(bool holds) {
  if (!holds) std::abort();
}

/// Takes the input apart, octet by octet; zeros behind its end.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(data, size) {}

  [[nodiscard]] bool ended() const { return rest_.empty(); }
  uint8_t octet() { return take(1)[0]; }
  std::vector<uint8_t> take(size_t count) {
    const size_t there = std::min(count, rest_.size());
    std::vector<uint8_t> taken(rest_.begin(), rest_.begin() + static_cast<ptrdiff_t>(there));
    rest_ = rest_.subspan(there);
    taken.resize(count);
    return taken;
  }

 private:
  std::span<const uint8_t> rest_;
};

/// A datagram with a valid frame of a header more often than chance would give.
std::vector<uint8_t> datagramOf(Input& input, const RoutableWorkers& proxy) {
  const uint8_t kind = input.octet();
  const auto cid = [&] {
    const uint8_t choice = input.octet();
    return choice < 0x80 ? input.take(choice % 24)
                         : proxy.cid(choice % 3, static_cast<uint16_t>(choice / 3 % 3), choice, choice % 2);
  };
  switch (kind % 4) {
    case 0:
      return quicproxy::shortHeader(cid());
    case 1:
      return quicproxy::longHeader(cid(), input.take(input.octet() % 22), kind < 32 ? 0 : kind);
    default:
      return input.take(input.octet());
  }
}

/// What must hold of every decision, whatever came before.
void check(RoutableWorkers& proxy, uint32_t worker, const FourTuple& tuple, const Decision& decision) {
  require(decision.rule != Rule::kNone);
  require(decision.backendSlot < 3);
  if (decision.flow == kNoFlow) return;
  const quicproxy::Flow& flow = proxy.table(worker).at(decision.flow);
  require(flow.is(quicproxy::kFlowLive));
  require(flow.tuple == tuple && flow.backendSlot == decision.backendSlot);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

/// Datagrams and answers on two workers with few places. A reference model knows one thing: on one 4-tuple and one
/// Connection ID that names its server, the backend never changes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  RoutableWorkers proxy(16);
  std::map<std::string, uint16_t> routed;
  while (!input.ended()) {
    const uint8_t control = input.octet();
    const uint32_t worker = control % 2;
    const FourTuple tuple = quicproxy::tupleOf(static_cast<uint8_t>(control >> 4), static_cast<uint16_t>(control >> 1));
    const auto datagram = datagramOf(input, proxy);
    Decision decision = proxy.decide(worker, tuple, datagram);
    check(proxy, worker, tuple, decision);
    if (decision.rule == Rule::kQuicLb) {
      const std::string cid(decision.cid.begin(), decision.cid.end());
      require(routed.emplace(cid, decision.backendSlot).first->second == decision.backendSlot);
    }
    if (decision.flow == kNoFlow && proxy.table(worker).full()) {
      const uint32_t oldest = proxy.table(worker).oldestEvictable();
      if (oldest == kNoFlow) continue;
      proxy.table(worker).remove(oldest);
    }
    decision = proxy.send(worker, tuple, datagram);
    check(proxy, worker, tuple, decision);
    if ((control & 8) != 0) proxy.reply(worker, decision.flow, datagramOf(input, proxy));
    if ((control & 0x18) == 0x18) proxy.table(worker).confirm(decision.flow, proxy.nowMs);
    proxy.nowMs += control == 0xff ? 600 : 1;
    proxy.table(worker).sweepCids(8, proxy.nowMs, 1000);
  }
  return 0;
}
