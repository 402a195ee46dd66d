#pragma once

// Whole decisions for packets of each kind, for the benchmark of routing.

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "route/routable_workers.h"

namespace quicproxy {

/// One proxy of eight workers whose tables hold many flows; worker 0 decides.
class BusyProxy {
 public:
  static constexpr uint32_t kWorkers = 8;
  static constexpr uint32_t kFlows = 20'000;

  BusyProxy() : model_(64) {
    for (uint32_t i = 0; i < kWorkers; i++) memory_.push_back(std::make_unique<TableMemory>(kFlows));
    for (auto& memory : memory_) tables_.push_back(&memory->table());
    for (auto& memory : memory_) routers_.emplace_back(memory->table(), lengths_);
    // Servers of four stacks, so that a short header may have any of four lengths.
    for (const size_t length : {4, 8, 18, 20}) fill(length);
  }

  /// A datagram of a client, and the 4-tuple that it comes from.
  struct Packet {
    FourTuple tuple;
    std::vector<uint8_t> octets;
  };

  [[nodiscard]] Decision decide(const Packet& packet) const {
    const RouteView seen = view();
    Decision decision = routers_[0].decide(seen, packet.tuple, packet.octets, 1000);
    if (decision.askElsewhere) routers_[0].decideElsewhere(seen, packet.tuple, packet.octets, 1000, decision);
    return decision;
  }

  [[nodiscard]] std::vector<uint8_t> routable(uint8_t rotation, uint32_t n) const {
    return model_.cid(rotation, static_cast<uint16_t>(n % 3), static_cast<uint8_t>(n));
  }
  [[nodiscard]] static FourTuple tuple(uint32_t n) {
    FourTuple made = tupleOf(static_cast<uint8_t>(n), static_cast<uint16_t>(1 + n % 65'000));
    made.remote[13] = static_cast<uint8_t>(n >> 16);
    return made;
  }
  /// The learned ID of flow `n` of a worker; 0xff first: not routable.
  [[nodiscard]] static std::vector<uint8_t> learned(uint32_t worker, uint32_t n, size_t length) {
    std::vector<uint8_t> cid(length, static_cast<uint8_t>(worker));
    cid[0] = 0xff;
    for (size_t i = 1; i < 4; i++) cid[i] = static_cast<uint8_t>(n >> (8 * (i - 1)));
    return cid;
  }

 private:
  [[nodiscard]] RouteView view() const {
    RouteView view = model_.view();
    view.tables = tables_;
    return view;
  }

  void fill(size_t length) {
    constexpr uint32_t kPerLength = kFlows / 8;
    for (uint32_t worker = 0; worker < kWorkers; worker++) {
      for (uint32_t n = 0; n < kPerLength; n++) {
        const uint32_t flow = memory_[worker]->table().create({tuple(n + worker * kFlows), 0, 1, 0}, 1000);
        if (flow == kNoFlow) return;
        memory_[worker]->table().historyOf(flow).clientVersion = 1;
        Learner(memory_[worker]->table(), lengths_)
            .fromBackend(view(), flow, longHeader(cidOf(1), learned(worker, n, length)), 1000);
      }
    }
  }

  RoutableWorkers model_;
  CidLengths lengths_;
  std::vector<std::unique_ptr<TableMemory>> memory_;
  std::vector<const FlowTable*> tables_;
  std::vector<Router> routers_;
};

struct PacketKind {
  std::string name;
  std::function<BusyProxy::Packet(const BusyProxy&, uint32_t n)> make;
};

inline std::vector<PacketKind> packetKinds() {
  const auto fresh = [](uint32_t n) { return BusyProxy::tuple(n + (1U << 22)); };
  const auto routable = [fresh](uint8_t rotation) {
    return [fresh, rotation](const BusyProxy& proxy, uint32_t n) {
      return BusyProxy::Packet{fresh(n), shortHeader(proxy.routable(rotation, n))};
    };
  };
  const auto learned = [fresh](uint32_t worker) {
    return [fresh, worker](const BusyProxy&, uint32_t n) {
      return BusyProxy::Packet{worker == 0 ? BusyProxy::tuple(n) : fresh(n),
                               shortHeader(BusyProxy::learned(worker, n, 18))};
    };
  };
  return {
      {"decide: QUIC-LB plain text", routable(0)},
      {"decide: QUIC-LB single pass", routable(1)},
      {"decide: QUIC-LB four passes", routable(2)},
      {"decide: learned ID, own table", learned(0)},
      {"decide: learned ID, last of 8 tables", learned(7)},
      {"decide: short header that nobody knows",
       [fresh](const BusyProxy&, uint32_t n) {
         return BusyProxy::Packet{fresh(n), shortHeader(BusyProxy::learned(99, n, 20))};
       }},
      {"decide: short header that no server ID fits",
       [fresh](const BusyProxy&, uint32_t n) {
         auto cid = BusyProxy::learned(99, n, 20);
         cid[0] = 0x40;
         return BusyProxy::Packet{fresh(n), shortHeader(cid)};
       }},
      {"decide: Initial of a new client",
       [fresh](const BusyProxy&, uint32_t n) {
         return BusyProxy::Packet{fresh(n), longHeader(BusyProxy::learned(98, n, 8), cidOf(1))};
       }},
  };
}

}  // namespace quicproxy
