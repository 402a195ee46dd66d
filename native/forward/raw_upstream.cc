#include "forward/raw_upstream.h"

#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "context/worker_context.h"
#include "io/clock.h"
#include "io/socket_options.h"

namespace quicproxy {

namespace {

/// Ports that are looked at for a new flow, unless fewer than one in kFullShare is free toward the backend: then
/// looking would cost more than it finds, six times in seven or worse.
constexpr uint32_t kMaxPortsTried = 512;
constexpr uint32_t kFullShare = 256;

/// Prime, and not a divisor of any number of ports: the golden section of 2^16.
constexpr uint32_t kStride = 40'503;

/// A further block is claimed when toward one backend only one in this many ports is free.
constexpr uint32_t kSpareShare = 16;

/// Ports that are looked at for a flow that may give way.
constexpr uint32_t kMaxVictimsLookedAt = 256;

/// A block that no flow has used for so long goes back: late replies are no matter any more.
constexpr uint32_t kBlockRestMs = 60'000;

/// Flows that are looked at in one turn while a block is given up.
constexpr uint32_t kFlowsPerStep = 1024;

/// How often usable ports are counted: others may have come to some.
constexpr uint32_t kCountEveryMs = 1000;

/// Of ICMP errors in one turn.
constexpr int kMaxErrorsPerTurn = 64;

/// EventTag::index of what an Upstream's events are about; the lowest bit is 1 for IPv6.
constexpr uint32_t kCatchingTag = 0;
constexpr uint32_t kIcmpTag = 2;

/// A socket, or the reason why there is none.
struct Opened {
  FileDescriptor fd;
  int error = 0;
};

Opened openRaw(bool v6) {
  FileDescriptor fd(socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW));
  if (!fd) return {FileDescriptor(), errno};
  // IPPROTO_RAW implies IP_HDRINCL, for IPv6 only since Linux 4.18 on request.
  const bool included = !v6 || setOption(fd.get(), IPPROTO_IPV6, IPV6_HDRINCL, 1);
  // Of ICMP errors none comes to a socket of this protocol; what it refuses itself may fill the smallest error queue.
  const int family = v6 ? AF_INET6 : AF_INET;
  const bool set = included && neverFragment(fd.get(), family) && tellQueueDrops(fd.get(), family) &&
                   setOption(fd.get(), SOL_SOCKET, SO_RCVBUF, 1);
  if (!set) return {FileDescriptor(), errno};
  return {std::move(fd)};
}

/// Bound to a port of the loopback address, where nobody finds it but the SK_LOOKUP program. Whether the host has that
/// address is no matter: lo may be down, or without IPv6.
Opened openCatching(bool v6) {
  FileDescriptor fd(socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return {FileDescriptor(), errno};
  const in_addr loopback{htonl(INADDR_LOOPBACK)};
  const SocketAddress address = v6 ? SocketAddress::from(in6addr_loopback.s6_addr, 6, 0)
                                   : SocketAddress::from(reinterpret_cast<const uint8_t*>(&loopback), 4, 0);
  const bool set = (v6 ? setOption(fd.get(), IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1) &&
                             setOption(fd.get(), IPPROTO_IPV6, IPV6_FREEBIND, 1)
                       : setOption(fd.get(), IPPROTO_IP, IP_RECVORIGDSTADDR, 1) &&
                             setOption(fd.get(), IPPROTO_IP, IP_FREEBIND, 1)) &&
                   receiveTrafficClass(fd.get(), address.family());
  if (!set || bind(fd.get(), &address.any, address.length) != 0) return {FileDescriptor(), errno};
  // Trains where the kernel has them: it looks up the socket of a train as of a single datagram.
  setOption(fd.get(), SOL_UDP, UDP_GRO, 1);
  return {std::move(fd)};
}

FourTuple pathOf(const Snapshot& snapshot, const Flow& flow) {
  const SocketAddress& backend = snapshot.backends[flow.backendSlot].address;
  return {mappedOf(backend), backend.port(), snapshot.sources[flow.upstreamSource], flow.upstreamPort};
}

bool mayGiveWay(const WorkerContext& context, uint32_t flow) {
  return !context.flows.at(flow).is(kFlowConfirmed) && !context.flows.hasNote(flow, kNoteConfirmed);
}

std::string failed(const char* step, bool v6, int error) {
  return std::string(step) + (v6 ? " for IPv6: " : " for IPv4: ") + std::strerror(error);
}

}  // namespace

std::variant<std::unique_ptr<RawUpstream>, std::string> RawUpstream::create(const Options& options,
                                                                            UpstreamPorts& ports) {
  std::unique_ptr<RawUpstream> upstream(new RawUpstream(options, ports));
  for (const bool v6 : {false, true}) {
    std::string failure = upstream->openFamily(v6);
    if (!failure.empty()) return failure;
  }
  if (!upstream->portsUsed_) return std::string("no memory for the ports in use");
  // Workers that have them all will give one up (tend).
  if (!upstream->claim(monotonicMs(), UpstreamPorts::Need::kLast) && ports.claimedBlocks() == 0) {
    return "no block of 256 ports is free within " + std::to_string(ports.first()) + "-" + std::to_string(ports.last());
  }
  return upstream;
}

RawUpstream::RawUpstream(const Options& options, UpstreamPorts& ports)
    : worker_(options.worker),
      buffers_(options.buffers),
      ports_(ports),
      table_(options.flowCapacity, options.key),
      trains_(options.flowCapacity),
      portsUsed_(size_t{kMaxBackends} * 256 * sizeof(uint16_t), nullptr),
      // Where the range is gone through from cannot be foreseen (RFC 6056).
      cursor_(static_cast<uint32_t>(options.key.k0) % UpstreamPorts::kBlockPorts),
      headers_(kMaxDepartures),
      out_(kMaxDepartures),
      positions_(kMaxDepartures) {
  blocks_.reserve(256);
}

RawUpstream::~RawUpstream() {
  ports_.withdraw(worker_);
  for (const uint8_t block : blocks_) ports_.release(block);
  if (leavingBlock_ != kNone) ports_.release(static_cast<uint8_t>(leavingBlock_));
}

std::string RawUpstream::openFamily(bool v6) {
  Family& family = families_[v6 ? 1 : 0];
  Opened raw = openRaw(v6);
  if (!raw.fd) {
    // A host without IPv6 has no IPv6 backends either.
    if (v6 && raw.error == EAFNOSUPPORT) return "";
    return failed(raw.error == EPERM ? "raw sockets need CAP_NET_RAW" : "cannot open a raw socket", v6, raw.error);
  }
  Opened catching = openCatching(v6);
  if (!catching.fd) {
    return failed("cannot open the socket that catches replies", v6, catching.error);
  }
  family.raw = std::move(raw.fd);
  family.catching = std::move(catching.fd);
  setFamilyBuffers(family);
  family.icmp = IcmpSocket(v6, ports_.first(), ports_.last());
  if (!family.icmp) return failed("cannot open a socket for ICMP errors", v6, errno);
  if (!ports_.setSocket(worker_, v6, family.catching.get())) {
    return failed("cannot hand the socket that catches replies to BPF", v6, errno);
  }
  return "";
}

void RawUpstream::setFamilyBuffers(const Family& family) const {
  setBufferSizes(family.raw.get(), {0, buffers_.sendBytes});
  setBufferSizes(family.catching.get(), buffers_);
}

void RawUpstream::setBuffers(const BufferSizes& buffers) {
  if (buffers == buffers_) return;
  buffers_ = buffers;
  for (const Family& family : families_) {
    if (family.raw) setFamilyBuffers(family);
  }
}

uint32_t RawUpstream::receiveBufferBytes() const {
  uint32_t smallest = UINT32_MAX;
  for (const Family& family : families_) {
    if (family.raw) smallest = std::min(smallest, readSocketMemory(family.catching.get()).receiveBufferBytes);
  }
  return smallest;
}

void RawUpstream::countKernelDrops(WorkerContext& context) {
  const auto count = [&context](int fd, uint32_t& counted, Counter counter) {
    const uint32_t drops = readSocketDrops(fd);
    if (drops != counted) context.counters.add(counter, drops - counted);
    counted = drops;
  };
  for (Family& family : families_) {
    if (!family.raw) continue;
    count(family.catching.get(), family.catchingDrops, Counter::return_kernel_drops);
    count(family.icmp.fd(), family.icmpDrops, Counter::return_icmp_lost);
  }
}

bool RawUpstream::announceTo(int epollFd) {
  for (const uint32_t v6 : {0U, 1U}) {
    if (!families_[v6].raw) continue;
    const auto add = [epollFd](int fd, uint32_t index) {
      return announceReads(epollFd, fd, {EventTag::Kind::kUpstream, 0, index});
    };
    if (!add(families_[v6].catching.get(), kCatchingTag + v6)) return false;
    if (!add(families_[v6].icmp.fd(), kIcmpTag + v6)) return false;
  }
  return true;
}

uint32_t RawUpstream::socketCount() const {
  uint32_t families = 0;
  for (const Family& family : families_) families += family.raw ? 1 : 0;
  const uint32_t leaving = leavingBlock_ == kNone ? 0 : 1;
  return 3 * families + static_cast<uint32_t>(blocks_.size()) + leaving + trains_.count();
}

bool RawUpstream::claim(uint32_t nowMs, UpstreamPorts::Need need) {
  const auto block = ports_.claim(worker_, nowMs, need);
  if (!block) return false;
  blocks_.push_back(*block);
  blockUse_[*block] = {0, nowMs};
  usable_ += ports_.countOwnedBy(worker_, *block);
  return true;
}

void RawUpstream::countUsable() {
  usable_ = 0;
  for (const uint8_t block : blocks_) usable_ += ports_.countOwnedBy(worker_, block);
}

/// The order of the others stays, and with it that of the ports' rest.
void RawUpstream::giveBack(size_t position) {
  blocks_.erase(blocks_.begin() + static_cast<ptrdiff_t>(position));
  countUsable();
}

/// Flows that nobody confirmed give way to the worker that has none. The others go over at their next datagram, or end.
void RawUpstream::emptyLeavingBlock(WorkerContext& context) {
  const uint32_t capacity = context.flows.capacity();
  for (uint32_t step = 0; step < kFlowsPerStep; step++) {
    const uint32_t index = leavingNext_++ % capacity;
    const Flow& flow = context.flows.at(index);
    const bool live = flow.is(kFlowLive) && !flow.is(kFlowBorrowed) && mayGiveWay(context, index);
    if (!live || flow.upstreamPort / UpstreamPorts::kBlockPorts != leavingBlock_) continue;
    context.endFlow(index);
    context.counters.add(Counter::flow_evicted);
  }
}

void RawUpstream::tend(WorkerContext& context) {
  countKernelDrops(context);
  if (leavingBlock_ != kNone) emptyLeavingBlock(context);
  const auto isIdle = [&](uint8_t block) { return blockUse_[block].flows == 0; };
  if (leavingBlock_ != kNone && isIdle(static_cast<uint8_t>(leavingBlock_))) {
    ports_.release(static_cast<uint8_t>(leavingBlock_));
    leavingBlock_ = kNone;
  }
  if (context.nowMs - countedAtMs_ < kCountEveryMs && !blocks_.empty()) return;
  countedAtMs_ = context.nowMs;
  countUsable();
  if (blocks_.empty() && !claim(context.nowMs, UpstreamPorts::Need::kLast)) ports_.plead(worker_);
  for (size_t i = blocks_.size(); i-- > 0 && blocks_.size() > 1;) {
    const uint8_t block = blocks_[i];
    if (!isIdle(block) || context.nowMs - blockUse_[block].emptySinceMs < kBlockRestMs) continue;
    giveBack(i);
    ports_.release(block);
  }
  if (blocks_.size() < 2 || leavingBlock_ != kNone || !ports_.takePlea()) return;
  const auto least = std::ranges::min_element(blocks_, {}, [this](uint8_t block) { return blockUse_[block].flows; });
  leavingBlock_ = *least;
  giveBack(static_cast<size_t>(least - blocks_.begin()));
}

Upstream::Outcome RawUpstream::open(WorkerContext& context, uint32_t index, uint8_t /*hopLimit*/) {
  Flow& flow = context.flows.at(index);
  flow.upstreamPort = 0;
  const Backend& backend = context.snapshot->backends[flow.backendSlot];
  if (backend.sourceCount == 0) context.counters.add(flow.backendSlot, BackendCounter::kUnsendable);
  const bool v6 = backend.address.family() == AF_INET6;
  if (backend.sourceCount == 0 || !families_[v6 ? 1 : 0].raw) return Outcome::kFailed;
  if (blocks_.empty()) claim(context.nowMs, UpstreamPorts::Need::kLast);
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
  const uint16_t used = portsUsed(flow.backendSlot, source);
  if (used >= usable_ - usable_ / kSpareShare) claim(context.nowMs, UpstreamPorts::Need::kSpare);
  flow.upstreamSource = source;
  const bool worthLooking = used < usable_ - usable_ / kFullShare;
  if (worthLooking && (takeInTurn(context, index, kMaxPortsTried) || takeHereAndThere(context, index))) return true;
  // A block that is new is free as a whole.
  if (claim(context.nowMs, UpstreamPorts::Need::kLast)) {
    cursor_ = static_cast<uint32_t>(blocks_.size() - 1) * UpstreamPorts::kBlockPorts;
    if (takeInTurn(context, index, UpstreamPorts::kBlockPorts - 1)) return true;
  }
  // A flow that was just ended to make room has left a port that looking would hardly find.
  const auto block = static_cast<uint8_t>(lastClosed_ / UpstreamPorts::kBlockPorts);
  return lastClosed_ != 0 && block != leavingBlock_ && take(context, index, lastClosed_);
}

bool RawUpstream::takeInTurn(WorkerContext& context, uint32_t index, uint32_t tries) {
  for (uint32_t tried = 0; tried < tries; tried++) {
    if (take(context, index, nextPort(cursor_))) return true;
  }
  return false;
}

/// The free ones may lie together, beyond those that come next.
bool RawUpstream::takeHereAndThere(WorkerContext& context, uint32_t index) {
  const auto span = static_cast<uint32_t>(blocks_.size()) * UpstreamPorts::kBlockPorts;
  for (uint32_t tried = 0; tried < kMaxPortsTried; tried++) {
    if (take(context, index, portAt((cursor_ + tried * kStride) % span))) return true;
  }
  return false;
}

/// The port for the flow, if it is free toward the backend from the flow's source.
bool RawUpstream::take(WorkerContext& context, uint32_t index, uint16_t port) {
  Flow& flow = context.flows.at(index);
  FourTuple path = pathOf(*context.snapshot, flow);
  path.setLocalPort(port);
  if (!ports_.isOwnedBy(worker_, port) || findFlow(context, path) != kNoFlow) return false;
  flow.upstreamPort = port;
  table_.insert(table_.hash(path), index);
  portsUsed(flow.backendSlot, flow.upstreamSource)++;
  blockUse_[port / UpstreamPorts::kBlockPorts].flows++;
  sourceUse_.begin(flow.upstreamSource);
  return true;
}

/// In turn, so that a port rests as long as possible before another flow gets it: late replies to the former one must
/// not reach a stranger.
uint16_t RawUpstream::nextPort(uint32_t& cursor) const {
  cursor++;
  if (cursor >= blocks_.size() * UpstreamPorts::kBlockPorts) cursor = 0;
  return portAt(cursor);
}

uint16_t RawUpstream::portAt(uint32_t place) const {
  const uint32_t block = blocks_[place / UpstreamPorts::kBlockPorts];
  return static_cast<uint16_t>(block * UpstreamPorts::kBlockPorts + place % UpstreamPorts::kBlockPorts);
}

void RawUpstream::close(WorkerContext& context, uint32_t index) {
  trains_.giveBack(index);
  Flow& flow = context.flows.at(index);
  if (flow.is(kFlowBorrowed) || flow.upstreamPort == 0) return;
  if (!table_.erase(table_.hash(pathOf(*context.snapshot, flow)), index)) return;
  lastClosed_ = flow.upstreamPort;
  BlockUse& use = blockUse_[flow.upstreamPort / UpstreamPorts::kBlockPorts];
  if (--use.flows == 0) use.emptySinceMs = context.nowMs;
  portsUsed(flow.backendSlot, flow.upstreamSource)--;
  sourceUse_.end(flow.upstreamSource);
  flow.upstreamPort = 0;
}

uint32_t RawUpstream::victimToward(WorkerContext& context, uint16_t backendSlot, const std::vector<bool>& spared) {
  const Backend& backend = context.snapshot->backends[backendSlot];
  if (blocks_.empty() || backend.sourceCount == 0) return kNoFlow;
  const MappedAddress remote = mappedOf(backend.address);
  for (uint32_t looked = 0; looked < kMaxVictimsLookedAt;) {
    const uint16_t port = nextPort(victimCursor_);
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
  return !ports_.isOwnedBy(worker_, flow.upstreamPort) ||
         flow.upstreamPort / UpstreamPorts::kBlockPorts == leavingBlock_;
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
  out_.sendAll(families_[v6 ? 1 : 0].raw.get(), EarlierErrors::kNone, note);
  context.counters.add(Counter::forward_calls, out_.tally().calls);
}

uint32_t RawUpstream::receive(WorkerContext& context, const EventTag& tag, ReceiveBatch& batch, uint32_t first,
                              std::span<uint32_t> flows) {
  const bool v6 = (tag.index & 1) != 0;
  if (tag.index >= kIcmpTag) {
    receiveErrors(context, v6);
    return 0;
  }
  const int received = batch.receive(families_[v6 ? 1 : 0].catching.get(), first);
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

void RawUpstream::receiveErrors(WorkerContext& context, bool v6) {
  for (int taken = 0; taken < kMaxErrorsPerTurn; taken++) {
    const auto error = families_[v6 ? 1 : 0].icmp.next();
    if (!error) return;
    const uint32_t flow = findFlow(context, error->path);
    if (flow == kNoFlow) continue;
    const bool quotesSent = sent_.has(flow, error->udp) || trains_.quotes(flow, error->quotedPayload());
    context.countIcmpError(flow, error->kind, quotesSent);
  }
}

}  // namespace quicproxy
