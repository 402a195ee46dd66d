#include "forward/upstream_sockets.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "context/send_drop.h"
#include "context/worker_context.h"
#include "io/error_queue.h"
#include "io/event_tag.h"
#include "io/socket_options.h"
#include "network/source_addresses.h"

namespace quicproxy {

namespace {

/// Of sockets whose buffers get another size in one turn.
constexpr uint32_t kResizedPerTurn = 256;

constexpr int kFlowErrorsPerTurn = 64;

/// error: why there is none.
FileDescriptor connectedSocket(const SocketAddress& backend, uint8_t hopLimit, bool trains, int& error) {
  const int family = backend.family();
  FileDescriptor fd(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  error = errno;
  if (!fd) return fd;
  setOption(fd.get(), SOL_SOCKET, SO_RXQ_OVFL, 1);
  neverFragment(fd.get(), family);
  tellQueueDrops(fd.get(), family);
  setHopLimit(fd.get(), family, hopLimit);
  receiveTrafficClass(fd.get(), family);
  if (trains) setOption(fd.get(), SOL_UDP, UDP_GRO, 1);
  preferLastingSource(fd.get(), family);
  if (connect(fd.get(), &backend.any, backend.length) == 0) return fd;
  error = errno;
  fd.reset();
  return fd;
}

/// This process or host has no descriptor or no port left (udp_lib_get_port: EAGAIN, EADDRNOTAVAIL): the end of another
/// flow helps. Without a way to the backend EADDRNOTAVAIL says that there is no source.
bool isUsedUp(int error, const Backend& backend) {
  if (error == EADDRNOTAVAIL) return backend.sourceCount > 0;
  return error == EAGAIN || error == EADDRINUSE || error == EMFILE || error == ENFILE;
}

/// Index of the address that a connected socket got.
uint8_t sourceOf(int fd, const Snapshot& snapshot) {
  const auto found = std::ranges::find(snapshot.sources, localAddressOf(fd));
  return found == snapshot.sources.end() ? kUnnamedSource : static_cast<uint8_t>(found - snapshot.sources.begin());
}

}  // namespace

UpstreamSockets::UpstreamSockets(uint32_t flowCapacity, bool trains, const BufferSizes& buffers)
    : sockets_(flowCapacity), resized_(flowCapacity), sender_(flowCapacity), trains_(trains) {
  setBuffers(buffers);
}

/// What the kernel grants shows at a socket that is there for that alone.
void UpstreamSockets::setBuffers(const BufferSizes& buffers) {
  if (buffers == buffers_) return;
  buffers_ = buffers;
  resized_ = 0;
  const FileDescriptor fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP));
  mayForce_ = setBufferSizes(fd.get(), buffers_);
  receiveBufferBytes_ = readSocketMemory(fd.get()).receiveBufferBytes;
}

void UpstreamSockets::tend(WorkerContext& /*context*/) {
  for (uint32_t left = kResizedPerTurn; left > 0 && resized_ < sockets_.size(); resized_++) {
    if (!sockets_[resized_].fd) continue;
    setBufferSizes(sockets_[resized_].fd.get(), buffers_, mayForce_);
    left--;
  }
}

bool UpstreamSockets::announceTo(int epollFd) {
  epollFd_ = epollFd;
  return true;
}

bool UpstreamSockets::atBound(const WorkerContext& context) const {
  return open_ >= context.snapshot->upstreamSocketsPerWorker;
}

Upstream::Outcome UpstreamSockets::open(WorkerContext& context, uint32_t flow, uint8_t hopLimit) {
  if (atBound(context)) return Outcome::kAtBound;
  Flow& opened = context.flows.at(flow);
  const Backend& backend = context.snapshot->backends[opened.backendSlot];
  int error = 0;
  FileDescriptor fd = connectedSocket(backend.address, hopLimit, trains_, error);
  if (!fd) {
    if (isUsedUp(error, backend)) {
      context.counters.add(Counter::flow_no_source_port);
      return Outcome::kAtBound;
    }
    if (saysUnsendable(error)) context.counters.add(opened.backendSlot, BackendCounter::kUnsendable);
    return Outcome::kFailed;
  }
  const EventTag tag{EventTag::Kind::kUpstream, opened.epoch, flow};
  if (!announceReads(epollFd_, fd.get(), tag)) return Outcome::kFailed;
  opened.upstreamSource = sourceOf(fd.get(), *context.snapshot);
  sourceUse_.begin(opened.upstreamSource);
  setBufferSizes(fd.get(), buffers_, mayForce_);
  sockets_[flow] = {std::move(fd)};
  open_++;
  return Outcome::kOpened;
}

void UpstreamSockets::close(WorkerContext& context, uint32_t flow) {
  Pooled& pooled = sockets_[flow];
  if (!pooled.fd) return;
  countKernelDrops(context, pooled, readSocketDrops(pooled.fd.get()));
  sourceUse_.end(context.flows.at(flow).upstreamSource);
  pooled.fd.reset();
  open_--;
}

uint32_t UpstreamSockets::victimToward(WorkerContext& context, uint16_t /*backendSlot*/,
                                       const std::vector<bool>& spared) {
  const uint32_t oldest = context.flows.oldestEvictable();
  // The flow that room is made for has no socket yet.
  return oldest == kNoFlow || spared[oldest] || !sockets_[oldest].fd ? kNoFlow : oldest;
}

/// A socket keeps the source that it was connected with. The backend sees a new path of its connection (RFC 9000
/// section 9).
void UpstreamSockets::reopenOutdated(WorkerContext& context, const Departure& departure) {
  const Flow& flow = context.flows.at(departure.flow);
  if (flow.upstreamSource == kUnnamedSource) return;
  if (context.snapshot->backends[flow.backendSlot].reachedFrom(flow.upstreamSource)) return;
  close(context, departure.flow);
  if (open(context, departure.flow, departure.hopLimit) != Outcome::kOpened) return;
  context.counters.add(Counter::flow_moved_source);
}

void UpstreamSockets::send(WorkerContext& context, std::span<Departure> departures) {
  for (const Departure& departure : departures) reopenOutdated(context, departure);
  for (const FlowGroups::Group& group : sender_.group(departures, [](uint32_t) { return true; })) {
    Pooled& pooled = sockets_[departures[group.first].flow];
    pooled.latest = PayloadMark(departures[group.last].payload);
    sender_.send(context, departures, group, pooled.fd.get(), nullptr);
  }
}

uint32_t UpstreamSockets::receive(WorkerContext& context, const EventTag& tag, ReceiveBatch& batch, uint32_t first,
                                  std::span<uint32_t> flows) {
  const Flow& flow = context.flows.at(tag.index);
  const bool sameFlow = flow.is(kFlowLive) && flow.epoch == tag.epoch;
  if (!sameFlow) return 0;
  const int received = batch.receive(sockets_[tag.index].fd.get(), first);
  if (received < 0) {
    takeErrors(context, tag.index);
    return 0;
  }
  if (received == 0) return 0;
  if (const uint32_t drops = batch.kernelDrops(first + static_cast<uint32_t>(received) - 1); drops != 0) {
    countKernelDrops(context, sockets_[tag.index], drops);
  }
  for (int i = 0; i < received; i++) flows[first + static_cast<uint32_t>(i)] = tag.index;
  return static_cast<uint32_t>(received);
}

/// drops: of the socket, since it was opened.
void UpstreamSockets::countKernelDrops(WorkerContext& context, Pooled& pooled, uint32_t drops) {
  if (drops != pooled.countedDrops) context.counters.add(Counter::return_kernel_drops, drops - pooled.countedDrops);
  pooled.countedDrops = drops;
}

/// A datagram's payload alone is quoted here: that of the latest has to do.
void UpstreamSockets::takeErrors(WorkerContext& context, uint32_t flow) const {
  std::array<uint8_t, PayloadMark::kPayloadBytes> payload;
  for (int taken = 0; taken < kFlowErrorsPerTurn; taken++) {
    const auto error = takeQueuedError(sockets_[flow].fd.get(), payload);
    if (!error) return;
    if (!error->icmp || *error->icmp == IcmpKind::kOther) continue;
    const bool quotesSent = sockets_[flow].latest.begins({payload.data(), error->payloadBytes});
    context.countIcmpError(flow, *error->icmp, quotesSent);
  }
}

}  // namespace quicproxy
