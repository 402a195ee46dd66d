#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "route/learner.h"
#include "route/router.h"

namespace quicproxy {

inline FourTuple tupleOf(uint8_t client, uint16_t port) {
  FourTuple tuple{};
  tuple.remote[15] = client;
  tuple.local[15] = 1;
  tuple.setRemotePort(port);
  tuple.setLocalPort(443);
  return tuple;
}

/// flags, version, DCID, SCID, payload
inline std::vector<uint8_t> longHeader(const std::vector<uint8_t>& dcid, const std::vector<uint8_t>& scid,
                                       uint32_t version = 1) {
  std::vector<uint8_t> packet = {0xc0, static_cast<uint8_t>(version >> 24), static_cast<uint8_t>(version >> 16),
                                 static_cast<uint8_t>(version >> 8), static_cast<uint8_t>(version)};
  packet.push_back(static_cast<uint8_t>(dcid.size()));
  packet.insert(packet.end(), dcid.begin(), dcid.end());
  packet.push_back(static_cast<uint8_t>(scid.size()));
  packet.insert(packet.end(), scid.begin(), scid.end());
  packet.insert(packet.end(), 20, 0xaa);
  return packet;
}

inline std::vector<uint8_t> shortHeader(const std::vector<uint8_t>& dcid) {
  std::vector<uint8_t> packet(1 + dcid.size() + 20, 0xbb);
  packet[0] = 0x40;
  std::copy(dcid.begin(), dcid.end(), packet.begin() + 1);
  return packet;
}

inline std::vector<uint8_t> cidOf(uint8_t first, size_t length = 8) {
  std::vector<uint8_t> cid(length);
  for (size_t i = 0; i < length; i++) cid[i] = static_cast<uint8_t>(first + i);
  return cid;
}

/// Memory for one worker's flow table.
class TableMemory {
 public:
  explicit TableMemory(uint32_t flows, SipKey key = {1, 2}) {
    const size_t bytes = FlowTable::bytesFor(flows);
    const size_t rounded = (bytes + IndexTable::kAlignment - 1) / IndexTable::kAlignment * IndexTable::kAlignment;
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(IndexTable::kAlignment, rounded)));
    table_ = FlowTable::create({memory_.get(), bytes}, flows, key);
  }
  FlowTable& table() { return *table_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::optional<FlowTable> table_;
};

/// Two workers of one proxy with `backends` backends in slots 0, 1, ...; plays the part of the forward path.
class TwoWorkers {
 public:
  explicit TwoWorkers(uint16_t backends = 3, uint32_t flows = 64)
      : memory_{TableMemory(flows), TableMemory(flows)},
        tables_{&memory_[0].table(), &memory_[1].table()},
        routers_{Router(*tables_[0], lengths_), Router(*tables_[1], lengths_)},
        learners_{Learner(*tables_[0], lengths_), Learner(*tables_[1], lengths_)},
        epochs_(backends, 1) {
    rebuild(std::vector<uint32_t>(backends, 1));
  }

  void rebuild(const std::vector<uint32_t>& weights) {
    std::vector<MaglevBackend> list;
    for (uint16_t slot = 0; slot < weights.size(); slot++) {
      BackendId id{};
      id[17] = static_cast<uint8_t>(slot + 1);
      list.push_back({id, weights[slot], slot});
    }
    maglev_ = MaglevTable::build({3, 4}, list);
    takesNew_.assign(weights.size(), 0);
    for (size_t slot = 0; slot < weights.size(); slot++) takesNew_[slot] = weights[slot] > 0 ? 1 : 0;
  }

  RouteView view() const {
    return {quicLb, maglev_, epochs_, takesNew_, {5, 6}, fallback, cidLength, idleMs, sampleOneIn, tables_};
  }

  Decision decide(uint32_t worker, const FourTuple& tuple, const std::vector<uint8_t>& datagram) {
    Decision decision = routers_[worker].decide(view(), tuple, datagram, nowMs);
    if (decision.askElsewhere) routers_[worker].decideElsewhere(view(), tuple, datagram, nowMs, decision);
    return decision;
  }

  /// Decides, opens a flow where one is needed, learns. Returns the decision with its flow filled in.
  Decision send(uint32_t worker, const FourTuple& tuple, const std::vector<uint8_t>& datagram) {
    Decision decision = decide(worker, tuple, datagram);
    if (decision.rule == Rule::kNone) return decision;
    const uint16_t slot = decision.backendSlot;
    FlowTable& table = *tables_[worker];
    if (decision.flow == kNoFlow) {
      const uint32_t lengths = decision.rule == Rule::kDcid ? uint32_t{1} << decision.cid.size() : 0;
      decision.flow = table.create({tuple, slot, epochs_[slot], 0, decision.readdressed, lengths}, nowMs);
      if (decision.flow == kNoFlow) return decision;
      learners_[worker].begin(view(), decision, decision.flow);
      table.publish(decision.flow);
    }
    lesson = learners_[worker].fromClient(view(), decision, decision.flow, datagram, nowMs);
    table.at(decision.flow).see(nowMs);
    return decision;
  }

  /// The backend's datagram, returned to the client.
  Lesson reply(uint32_t worker, uint32_t flow, const std::vector<uint8_t>& datagram) {
    tables_[worker]->at(flow).set(kFlowReturnedTo);
    return learners_[worker].fromBackend(view(), flow, datagram, nowMs);
  }

  FlowTable& table(uint32_t worker) { return *tables_[worker]; }
  Router& router(uint32_t worker) { return routers_[worker]; }

  QuicLbRouting quicLb;
  Fallback fallback = Fallback::kFourTuple;
  uint8_t cidLength = kCidLengthLearned;
  uint32_t sampleOneIn = 0;
  uint32_t nowMs = 1000;
  uint32_t idleMs = 1000;
  Lesson lesson;
  std::vector<uint8_t>& epochs() { return epochs_; }

 private:
  CidLengths lengths_;
  TableMemory memory_[2];
  FlowTable* tables_[2];
  Router routers_[2];
  Learner learners_[2];
  std::vector<uint8_t> epochs_;
  std::vector<uint8_t> takesNew_;
  MaglevTable maglev_;
};

}  // namespace quicproxy
