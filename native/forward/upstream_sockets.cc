#include "forward/upstream_sockets.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "io/event_tag.h"
#include "io/listen_socket.h"
#include "worker/worker_context.h"

namespace quicproxy {

namespace {

/// A burst of one flow at its full congestion window; asked within net.core.rmem_max, memory is used only when filled.
constexpr int kReceiveBufferBytes = 1 << 20;

FileDescriptor connectedSocket(const SocketAddress& backend, uint8_t hopLimit, bool trains) {
  const int family = backend.family();
  FileDescriptor fd(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!fd) return fd;
  setOption(fd.get(), SOL_SOCKET, SO_RCVBUF, kReceiveBufferBytes);
  const bool v4 = family == AF_INET;
  const int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
  static_assert(IP_PMTUDISC_PROBE == IPV6_PMTUDISC_PROBE);
  setOption(fd.get(), level, v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  setOption(fd.get(), level, v4 ? IP_TTL : IPV6_UNICAST_HOPS, hopLimit);
  receiveTrafficClass(fd.get(), family);
  if (trains) setOption(fd.get(), SOL_UDP, UDP_GRO, 1);
  if (connect(fd.get(), &backend.any, backend.length) != 0) fd.reset();
  return fd;
}

/// An ICMP error that came in since the last call is told by the next call on the socket, which then sends nothing. But
/// for ECONNREFUSED it may as well be this call's own: then the second attempt meets it again. Datagrams that are too
/// big come in numbers, so only the first of a group gets one for that.
bool mayBeEarlierError(int error, bool isFirst) {
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH || (error == EMSGSIZE && isFirst);
}

/// A router that has no room for a datagram says nothing about the backend.
void countIcmpError(WorkerContext& context, uint16_t backendSlot, int error) {
  if (error == EMSGSIZE) {
    context.counters.add(Counter::return_path_too_big);
  } else {
    context.countRefused(backendSlot);
  }
}

}  // namespace

UpstreamSockets::UpstreamSockets(uint32_t flowCapacity, bool trains)
    : sockets_(flowCapacity),
      groupOfFlow_(flowCapacity),
      next_(kMaxDepartures),
      positions_(kMaxDepartures),
      out_(kMaxDepartures),
      trains_(trains) {
  groups_.reserve(kMaxDepartures);
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
  group(departures);
  for (const Group& group : groups_) sendGroup(context, departures, group);
}

void UpstreamSockets::group(std::span<const Departure> departures) {
  groups_.clear();
  const auto count = static_cast<uint16_t>(departures.size());
  for (uint16_t i = 0; i < count; i++) {
    const uint32_t flow = departures[i].flow;
    const uint16_t guess = groupOfFlow_[flow];
    if (guess < groups_.size() && departures[groups_[guess].first].flow == flow) {
      Group& group = groups_[guess];
      next_[group.last] = i;
      group.last = i;
    } else {
      groupOfFlow_[flow] = static_cast<uint16_t>(groups_.size());
      groups_.push_back({i, i});
    }
  }
}

/// The group's datagrams in order, those that may leave as one train together.
void UpstreamSockets::gather(std::span<const Departure> departures, const Group& group, bool trains) {
  out_.clear();
  uint8_t trafficClass = 0;
  for (uint16_t at = group.first;; at = next_[at]) {
    const Departure& departure = departures[at];
    positions_[out_.size()] = at;
    const bool joins = trains && departure.trafficClass == trafficClass && out_.join(departure.payload);
    if (!joins) out_.begin(departure.payload, {nullptr, departure.trafficClass});
    trafficClass = departure.trafficClass;
    if (at == group.last) return;
  }
}

void UpstreamSockets::sendGroup(WorkerContext& context, std::span<Departure> departures, const Group& group) {
  gather(departures, group, !trainPause_.holds(context.nowMs));
  const uint32_t flow = departures[group.first].flow;
  const uint16_t slot = context.flows.at(flow).backendSlot;
  int firstError = 0;  // of the message in front, when it is being tried a second time
  while (!out_.done()) {
    const uint32_t front = out_.front();
    const int sent = out_.send(sockets_[flow].get());
    const int error = sent > 0 ? 0 : errno;
    if (firstError == ECONNREFUSED || (firstError != 0 && error != firstError)) {
      countIcmpError(context, slot, firstError);
    }
    if (firstError == 0 && mayBeEarlierError(error, front == 0)) {
      firstError = error;
      continue;
    }
    firstError = 0;
    const uint32_t taken = sent > 0 ? static_cast<uint32_t>(sent) : out_.drop();
    for (uint32_t i = front; i < front + taken; i++) departures[positions_[i]].error = error;
  }
  const SendBatch::Tally& tally = out_.tally();
  context.counters.add(Counter::forward_calls, tally.calls);
  context.counters.add(Counter::forward_trains, tally.trains);
  context.counters.add(Counter::forward_trains_refused, tally.trainsRefused);
  if (tally.deviceRefused) trainPause_.begin(context.nowMs);
}

uint32_t UpstreamSockets::receive(WorkerContext& context, const EventTag& tag, ReceiveBatch& batch, uint32_t first,
                                  std::span<uint32_t> flows) {
  const Flow& flow = context.flows.at(tag.index);
  const bool sameFlow = (flow.flags & kFlowLive) != 0 && flow.epoch == tag.epoch;
  if (!sameFlow) return 0;
  const int received = batch.receive(sockets_[tag.index].get(), first);
  if (received < 0) {
    if (errno != EAGAIN && errno != EINTR) countIcmpError(context, flow.backendSlot, errno);
    return 0;
  }
  for (int i = 0; i < received; i++) flows[first + static_cast<uint32_t>(i)] = tag.index;
  return static_cast<uint32_t>(received);
}

}  // namespace quicproxy
