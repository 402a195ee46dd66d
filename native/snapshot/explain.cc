#include "snapshot/explain.h"

#include <memory>

#include "abi/contract_view.h"
#include "io/mapped_memory.h"
#include "snapshot/snapshot_builder.h"

namespace quicproxy {

namespace {

constexpr uint32_t kFlows = 1;

struct Asked {
  const Snapshot& snapshot;
  const FourTuple& tuple;
  std::span<const uint8_t> datagram;
};

Decision decide(const Asked& asked, const RouteView& view) {
  const MappedMemory memory(FlowTable::bytesFor(kFlows), nullptr);
  auto table = FlowTable::create({reinterpret_cast<std::byte*>(memory.data()), memory.size()}, kFlows, {1, 1});
  if (!table) return {};
  CidLengths lengths;
  const Router router(*table, lengths);
  const bool stateless = asked.snapshot.mode == Mode::kBaseline;
  return stateless ? router.decideStateless(view, asked.tuple, asked.datagram, 0)
                   : router.decide(view, asked.tuple, asked.datagram, 0);
}

std::string nameOf(const Snapshot& snapshot, const Decision& decision) {
  if (decision.rule == Rule::kNone) return "";
  const SocketAddress& address = snapshot.backends[decision.backendSlot].address;
  return address.addressText() + " " + std::to_string(address.port());
}

/// The same backends less one, without QUIC-LB: the server ID of a backend that is gone belongs to nobody.
Decision decideWithout(const Asked& asked, uint16_t slot, std::span<const MaglevBackend> backends) {
  std::vector<MaglevBackend> left;
  for (const MaglevBackend& backend : backends) {
    if (backend.slot != slot) left.push_back(backend);
  }
  const MaglevTable maglev = MaglevTable::build(asked.snapshot.hashKey, left);
  const QuicLbRouting none;
  return decide(asked, asked.snapshot.routeView(maglev, none));
}

std::vector<MaglevBackend> maglevBackends(const ContractView& contract) {
  std::vector<MaglevBackend> backends;
  // Without a previous snapshot slots are the records' places.
  for (uint32_t i = 0; i < contract.backendCount(); i++) {
    const BackendRecord record = contract.backend(i);
    backends.push_back({backendIdOf(record), record.weight, static_cast<uint16_t>(i)});
  }
  return backends;
}

void describeServerId(const ContractView& contract, const Asked& asked, Explanation& explanation) {
  std::span<const uint8_t> cid = explanation.packet.dcid;
  if (explanation.packet.form == HeaderForm::kShort) cid = asked.datagram.subspan(1);
  if (contract.quicLbCount() == 0 || cid.empty()) return;
  explanation.rotation = static_cast<uint8_t>(cid[0] >> 5);
  for (uint32_t i = 0; i < contract.quicLbCount(); i++) {
    const QuicLbRecord record = contract.quicLb(i);
    if (record.rotation != *explanation.rotation) continue;
    const QuicLbConfig config(record.serverIdLength, record.nonceLength, record.encrypted != 0 ? record.key : nullptr);
    if (cid.size() >= config.cidLength()) explanation.serverId = config.decode(cid);
  }
}

}  // namespace

std::variant<Explanation, Failure> explain(std::span<const uint8_t> contract, const FourTuple& tuple,
                                           std::span<const uint8_t> datagram) {
  const ParsedContract parsed = ContractView::parse(contract);
  if (parsed.error != nullptr) return Failure{FailureCode::kContractInvalid, parsed.error};
  auto built = SnapshotBuilder(parsed.view, nullptr, [](uint16_t) { return false; }).buildWithoutSockets();
  if (auto* failure = std::get_if<Failure>(&built)) return *failure;
  const auto snapshot = std::get<std::unique_ptr<Snapshot>>(std::move(built));
  const Asked asked{*snapshot, tuple, datagram};
  Explanation explanation;
  explanation.packet = Invariants::parse(datagram);
  explanation.decision = decide(asked, snapshot->routeView());
  explanation.backend = nameOf(*snapshot, explanation.decision);
  describeServerId(parsed.view, asked, explanation);
  if (explanation.decision.rule != Rule::kNone) {
    const auto backends = maglevBackends(parsed.view);
    explanation.backendWithoutIt = nameOf(*snapshot, decideWithout(asked, explanation.decision.backendSlot, backends));
  }
  return explanation;
}

}  // namespace quicproxy
