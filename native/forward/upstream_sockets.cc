#include "forward/upstream_sockets.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "context/worker_context.h"
#include "io/error_queue.h"
#include "io/event_tag.h"
#include "io/socket_options.h"

namespace quicproxy {

namespace {

/// A burst of one flow at its full congestion window; asked within net.core.rmem_max, memory is used only when filled.
constexpr int kReceiveBufferBytes = 1 << 20;

constexpr int kMaxErrorsPerTurn = 64;

FileDescriptor connectedSocket(const SocketAddress& backend, uint8_t hopLimit, bool trains) {
  const int family = backend.family();
  FileDescriptor fd(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!fd) return fd;
  setOption(fd.get(), SOL_SOCKET, SO_RCVBUF, kReceiveBufferBytes);
  neverFragment(fd.get(), family);
  tellQueueDrops(fd.get(), family);
  setHopLimit(fd.get(), family, hopLimit);
  receiveTrafficClass(fd.get(), family);
  if (trains) setOption(fd.get(), SOL_UDP, UDP_GRO, 1);
  if (connect(fd.get(), &backend.any, backend.length) != 0) fd.reset();
  return fd;
}

}  // namespace

UpstreamSockets::UpstreamSockets(uint32_t flowCapacity, bool trains)
    : sockets_(flowCapacity), sender_(flowCapacity), trains_(trains) {}

bool UpstreamSockets::announceTo(int epollFd) {
  epollFd_ = epollFd;
  return true;
}

bool UpstreamSockets::atBound(const WorkerContext& context) const {
  return open_ >= context.snapshot->upstreamSocketsPerWorker;
}

Upstream::Outcome UpstreamSockets::open(WorkerContext& context, uint32_t flow, uint8_t hopLimit) {
  if (atBound(context)) return Outcome::kAtBound;
  const Flow& opened = context.flows.at(flow);
  FileDescriptor fd = connectedSocket(context.snapshot->backends[opened.backendSlot].address, hopLimit, trains_);
  if (!fd) return Outcome::kFailed;
  const EventTag tag{EventTag::Kind::kUpstream, opened.epoch, flow};
  if (!announceReads(epollFd_, fd.get(), tag)) return Outcome::kFailed;
  sockets_[flow] = std::move(fd);
  open_++;
  return Outcome::kOpened;
}

void UpstreamSockets::close(WorkerContext& /*context*/, uint32_t flow) {
  if (!sockets_[flow]) return;
  sockets_[flow].reset();
  open_--;
}

void UpstreamSockets::send(WorkerContext& context, std::span<Departure> departures) {
  for (const FlowSender::Group& group : sender_.group(departures, [](uint32_t) { return true; })) {
    sender_.send(context, departures, group, sockets_[departures[group.first].flow].get(), nullptr);
  }
}

uint32_t UpstreamSockets::receive(WorkerContext& context, const EventTag& tag, ReceiveBatch& batch, uint32_t first,
                                  std::span<uint32_t> flows) {
  const Flow& flow = context.flows.at(tag.index);
  const bool sameFlow = (flow.flags & kFlowLive) != 0 && flow.epoch == tag.epoch;
  if (!sameFlow) return 0;
  const int received = batch.receive(sockets_[tag.index].get(), first);
  if (received < 0) {
    takeErrors(context, tag.index);
    return 0;
  }
  for (int i = 0; i < received; i++) flows[first + static_cast<uint32_t>(i)] = tag.index;
  return static_cast<uint32_t>(received);
}

void UpstreamSockets::takeErrors(WorkerContext& context, uint32_t flow) const {
  for (int taken = 0; taken < kMaxErrorsPerTurn; taken++) {
    const auto error = takeQueuedError(sockets_[flow].get(), {});
    if (!error) return;
    if (error->kind == QueuedError::Kind::kTooBig) context.counters.add(Counter::return_path_too_big);
    if (error->kind == QueuedError::Kind::kUnreachable) context.countRefused(context.flows.at(flow).backendSlot);
  }
}

}  // namespace quicproxy
