#include "forward/raw_upstream.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "context/worker_context.h"
#include "io/clock.h"

namespace quicproxy {

namespace {

/// Ports that are looked at for a flow that may give way.
constexpr uint32_t kMaxVictimsLookedAt = 256;

/// Flows that are looked at in one turn while a block is given up.
constexpr uint32_t kFlowsPerStep = 1024;

/// Of ICMP errors in one turn.
constexpr int kMaxErrorsPerTurn = 64;

FourTuple pathOf(const Snapshot& snapshot, const Flow& flow) {
  const SocketAddress& backend = snapshot.backends[flow.backendSlot].address;
  return {mappedOf(backend), backend.port(), snapshot.sources[flow.upstreamSource], flow.upstreamPort};
}

bool mayGiveWay(const WorkerContext& context, uint32_t flow) {
  return !context.flows.at(flow).is(kFlowConfirmed) && !context.flows.hasNote(flow, kNoteConfirmed);
}

}  // namespace

std::variant<std::unique_ptr<RawUpstream>, std::string> RawUpstream::create(const Options& options,
                                                                            UpstreamPorts& ports) {
  std::unique_ptr<RawUpstream> upstream(new RawUpstream(options, ports));
  for (RawSockets& family : upstream->families_) {
    std::string failure = family.open(ports, options.worker, options.buffers);
    if (!failure.empty()) return failure;
  }
  if (!upstream->portsUsed_) return std::string("no memory for the ports in use");
  // Workers that have them all will give one up (tend).
  if (!upstream->blocks_.claim(monotonicMs(), UpstreamPorts::Need::kLast) && ports.claimedBlocks() == 0) {
    return "no block of 256 ports is free within " + std::to_string(ports.first()) + "-" + std::to_string(ports.last());
  }
  return upstream;
}

RawUpstream::RawUpstream(const Options& options, UpstreamPorts& ports)
    : buffers_(options.buffers),
      ports_(ports),
      table_(options.flowCapacity, options.key),
      trains_(options.flowCapacity),
      portsUsed_(size_t{kMaxBackends} * 256 * sizeof(uint16_t), nullptr),
      headers_(kMaxDepartures),
      out_(kMaxDepartures),
      positions_(kMaxDepartures),
      blocks_(ports, options.worker, static_cast<uint32_t>(options.key.k0)) {}

void RawUpstream::setBuffers(const BufferSizes& buffers) {
  if (buffers == buffers_) return;
  buffers_ = buffers;
  for (const RawSockets& family : families_) family.setBuffers(buffers);
}

uint32_t RawUpstream::receiveBufferBytes() const {
  return std::min(families_[0].receiveBufferBytes(), families_[1].receiveBufferBytes());
}

bool RawUpstream::announceTo(int epollFd) {
  return std::ranges::all_of(families_, [=](const RawSockets& family) { return family.announceTo(epollFd); });
}

uint32_t RawUpstream::socketCount() const {
  const auto families = static_cast<uint32_t>(std::ranges::count_if(families_, &RawSockets::operator bool));
  return RawSockets::kCount * families + blocks_.count() + trains_.count();
}

/// Flows that nobody confirmed give way to the worker that has none. The others go over at their next datagram, or end.
void RawUpstream::emptyLeavingBlock(WorkerContext& context) {
  const uint32_t capacity = context.flows.capacity();
  for (uint32_t step = 0; step < kFlowsPerStep; step++) {
    const uint32_t index = leavingNext_++ % capacity;
    const Flow& flow = context.flows.at(index);
    const bool live = flow.is(kFlowLive) && !flow.is(kFlowBorrowed) && mayGiveWay(context, index);
    if (!live || !blocks_.isLeaving(flow.upstreamPort)) continue;
    context.endFlow(index);
    context.counters.add(Counter::flow_evicted);
  }
}

void RawUpstream::tend(WorkerContext& context) {
  for (RawSockets& family : families_) family.countDrops(context.counters);
  if (blocks_.anyLeaving()) emptyLeavingBlock(context);
  blocks_.tend(context.nowMs);
}

Upstream::Outcome RawUpstream::open(WorkerContext& context, uint32_t index, uint8_t /*hopLimit*/) {
  Flow& flow = context.flows.at(index);
  flow.upstreamPort = 0;
  const Backend& backend = context.snapshot->backends[flow.backendSlot];
  if (backend.sourceCount == 0) context.counters.add(flow.backendSlot, BackendCounter::kUnsendable);
  if (backend.sourceCount == 0 || !familyOf(backend.address)) return Outcome::kFailed;
  if (blocks_.empty()) blocks_.claim(context.nowMs, UpstreamPorts::Need::kLast);
  for (size_t ordinal = 0; ordinal < backend.sourceCount && !blocks_.empty(); ordinal++) {
    if (chooseFrom(context, index, backend.sources[ordinal])) return Outcome::kOpened;
  }
  flow.upstreamPort = 0;
  context.counters.add(Counter::flow_no_source_port);
  return Outcome::kAtBound;
}

/// Finds a port that is free toward the backend from one local address, and takes it.
bool RawUpstream::chooseFrom(WorkerContext& context, uint32_t index, uint8_t source) {
  Flow& flow = context.flows.at(index);
  flow.upstreamSource = source;
  return blocks_.choose(portsUsed(flow.backendSlot, source), context.nowMs,
                        [&](uint16_t port) { return take(context, index, port); });
}

/// The port for the flow, if it is free toward the backend from the flow's source.
bool RawUpstream::take(WorkerContext& context, uint32_t index, uint16_t port) {
  Flow& flow = context.flows.at(index);
  FourTuple path = pathOf(*context.snapshot, flow);
  path.setLocalPort(port);
  if (!blocks_.owns(port) || findFlow(context, path) != kNoFlow) return false;
  flow.upstreamPort = port;
  table_.insert(table_.hash(path), index);
  portsUsed(flow.backendSlot, flow.upstreamSource)++;
  blocks_.begin(port);
  sourceUse_.begin(flow.upstreamSource);
  return true;
}

void RawUpstream::close(WorkerContext& context, uint32_t index) {
  trains_.giveBack(index);
  Flow& flow = context.flows.at(index);
  if (flow.is(kFlowBorrowed) || flow.upstreamPort == 0) return;
  if (!table_.erase(table_.hash(pathOf(*context.snapshot, flow)), index)) return;
  blocks_.end(flow.upstreamPort, context.nowMs);
  portsUsed(flow.backendSlot, flow.upstreamSource)--;
  sourceUse_.end(flow.upstreamSource);
  flow.upstreamPort = 0;
}

uint32_t RawUpstream::victimToward(WorkerContext& context, uint16_t backendSlot, const std::vector<bool>& spared) {
  const Backend& backend = context.snapshot->backends[backendSlot];
  if (blocks_.empty() || backend.sourceCount == 0) return kNoFlow;
  const MappedAddress remote = mappedOf(backend.address);
  for (uint32_t looked = 0; looked < kMaxVictimsLookedAt;) {
    const uint16_t port = blocks_.nextVictim();
    for (uint8_t i = 0; i < backend.sourceCount; i++, looked++) {
      const MappedAddress& source = context.snapshot->sources[backend.sources[i]];
      const uint32_t flow = findFlow(context, {remote, backend.address.port(), source, port});
      if (flow == kNoFlow || spared[flow]) continue;
      if (mayGiveWay(context, flow)) return flow;
    }
  }
  return kNoFlow;
}

/// The source is no more one toward the backend, or the port is somebody else's. A borrowed one is its lender's, who
/// says so when it goes.
bool RawUpstream::isOutdated(const WorkerContext& context, const Flow& flow) const {
  if (!context.snapshot->backends[flow.backendSlot].reachedFrom(flow.upstreamSource)) return true;
  if (flow.is(kFlowBorrowed)) return !ports_.isOwnedBy(flow.owner, flow.upstreamPort);
  return !blocks_.owns(flow.upstreamPort) || blocks_.isLeaving(flow.upstreamPort);
}

/// The backend sees a new path of its connection (RFC 9000 section 9). Where there is no other, upstreamPort is 0.
void RawUpstream::reopen(WorkerContext& context, uint32_t index) {
  const bool hadOne = context.flows.at(index).upstreamPort != 0;
  close(context, index);
  context.flows.ownPort(index);
  const bool opened = open(context, index, 0) == Outcome::kOpened;
  context.flows.publish(index);
  if (opened && hadOne) context.counters.add(Counter::flow_moved_source);
}

uint32_t RawUpstream::findFlow(const WorkerContext& context, const FourTuple& path) const {
  return table_.find(table_.hash(path), [&context, &path](uint32_t flow) {
    return pathOf(*context.snapshot, context.flows.at(flow)) == path;
  });
}

void RawUpstream::reopenOutdated(WorkerContext& context, std::span<Departure> departures) {
  for (Departure& departure : departures) {
    const Flow& flow = context.flows.at(departure.flow);
    if (isOutdated(context, flow)) reopen(context, departure.flow);
    if (flow.upstreamPort == 0) departure.error = EADDRNOTAVAIL;
  }
}

void RawUpstream::send(WorkerContext& context, std::span<Departure> departures) {
  reopenOutdated(context, departures);
  trains_.send(context, departures);
  for (const bool v6 : {false, true}) {
    out_.clear();
    for (size_t i = 0; i < departures.size(); i++) {
      if (trains_.isLentTo(departures[i].flow)) continue;
      const Flow& flow = context.flows.at(departures[i].flow);
      if (flow.upstreamPort == 0) continue;
      if ((context.snapshot->backends[flow.backendSlot].address.family() == AF_INET6) != v6) continue;
      positions_[out_.size()] = static_cast<uint16_t>(i);
      prepare(context, departures[i]);
    }
    sendFamily(context, v6, departures);
  }
  trains_.lend(context, departures);
}

void RawUpstream::prepare(const WorkerContext& context, const Departure& departure) {
  const Flow& flow = context.flows.at(departure.flow);
  const FourTuple path = pathOf(*context.snapshot, flow);
  const UdpHeaders headers{path.localAddress(), path.remoteAddress(),   path.localPort(),
                           path.remotePort(),   departure.trafficClass, departure.hopLimit};
  Header& header = headers_[out_.size()];
  const size_t headerBytes = writeUdpHeaders(headers, departure.payload, header.octets);
  uint32_t udp = 0;
  std::memcpy(&udp, header.octets + headerBytes - sizeof udp, sizeof udp);
  sent_.note(departure.flow, udp);
  SocketAddress destination = context.snapshot->backends[flow.backendSlot].address;
  // Of a raw socket the port is the protocol, which the header names already (raw(7)).
  destination.v4.sin_port = 0;
  out_.begin(departure.payload, {.to = &destination, .flow = departure.flow, .headers = {header.octets, headerBytes}});
}

void RawUpstream::sendFamily(WorkerContext& context, bool v6, std::span<Departure> departures) {
  const auto note = [&](uint32_t first, uint32_t count, int error) {
    for (uint32_t i = first; i < first + count; i++) departures[positions_[i]].error = error;
  };
  out_.sendAll(families_[v6 ? 1 : 0].raw(), EarlierErrors::kNone, note);
  context.counters.add(Counter::forward_calls, out_.tally().calls);
}

uint32_t RawUpstream::receive(WorkerContext& context, const EventTag& tag, ReceiveBatch& batch, uint32_t first,
                              std::span<uint32_t> flows) {
  RawSockets& family = families_[RawSockets::isV6(tag) ? 1 : 0];
  if (RawSockets::isIcmp(tag)) {
    receiveErrors(context, family.icmp());
    return 0;
  }
  const int received = batch.receive(family.catching(), first);
  if (received <= 0) return 0;
  for (uint32_t i = first; i < first + static_cast<uint32_t>(received); i++) {
    const sockaddr* destination = batch.originalDestination(i);
    flows[i] = kNoFlow;
    if (destination == nullptr) continue;
    const SocketAddress& sender = batch.sender(i);
    flows[i] = findFlow(context, {mappedOf(sender), sender.port(), mappedOf(*destination), portOf(*destination)});
  }
  return static_cast<uint32_t>(received);
}

void RawUpstream::receiveErrors(WorkerContext& context, IcmpSocket& icmp) {
  for (int taken = 0; taken < kMaxErrorsPerTurn; taken++) {
    const auto error = icmp.next();
    if (!error) return;
    const uint32_t flow = findFlow(context, error->path);
    if (flow == kNoFlow) continue;
    const bool quotesSent = sent_.has(flow, error->udp) || trains_.quotes(flow, error->quotedPayload());
    context.countIcmpError(flow, error->kind, quotesSent);
  }
}

}  // namespace quicproxy
