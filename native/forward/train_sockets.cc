#include "forward/train_sockets.h"

#include <sys/socket.h>

#include <algorithm>

#include "context/worker_context.h"
#include "io/socket_options.h"

namespace quicproxy {

namespace {

/// Shorter runs gain less than the call of their own costs.
constexpr uint32_t kLongRun = 4;
/// A socket costs about what a dozen datagrams do; who sent this many in long runs will send more.
constexpr uint8_t kHot = 32;
/// Another flow may take over a socket that was not used for so long.
constexpr uint32_t kIdleMs = 1000;

/// Bound to the flow's source; takes nothing from strangers. Empty when the kernel refuses: anybody may have come to a
/// port in between.
FileDescriptor boundSocket(const SocketAddress& source) {
  FileDescriptor fd(socket(source.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!fd) return fd;
  // The flow label would be another one than that of the raw socket, and with it perhaps the path (RFC 6438).
  if (source.family() == AF_INET6) setOption(fd.get(), IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0);
  // ICMP errors go where replies go, to the catching socket; what it refuses itself may fill the smallest error queue.
  const bool set = takeNothing(fd.get()) && neverFragment(fd.get(), source.family()) &&
                   tellQueueDrops(fd.get(), source.family()) && setOption(fd.get(), SOL_SOCKET, SO_RCVBUF, 1);
  if (!set || bind(fd.get(), &source.any, source.length) != 0) fd.reset();
  return fd;
}

}  // namespace

TrainSockets::TrainSockets(uint32_t flowCapacity)
    : lease_(flowCapacity, kNone), heat_(flowCapacity), sender_(flowCapacity) {}

void TrainSockets::send(WorkerContext& context, std::span<Departure> departures) {
  if (count_ == 0) return;
  const auto isMine = [this](uint32_t flow) { return isLentTo(flow); };
  for (const FlowGroups::Group& group : sender_.group(departures, isMine)) {
    const Departure& last = departures[group.last];
    Lent& lent = lent_[lease_[last.flow]];
    if (lent.hopLimit != last.hopLimit) {
      setHopLimit(lent.fd.get(), lent.backend.family(), last.hopLimit);
      lent.hopLimit = last.hopLimit;
    }
    lent.usedAtMs = context.nowMs;
    lent.latest = PayloadMark(last.payload);
    sender_.send(context, departures, group, lent.fd.get(), &lent.backend);
  }
}

void TrainSockets::lend(WorkerContext& context, std::span<const Departure> departures) {
  for (size_t first = 0; first < departures.size();) {
    size_t next = first + 1;
    bool allSent = departures[first].error == 0;
    for (; next < departures.size() && departures[next].flow == departures[first].flow; next++) {
      allSent &= departures[next].error == 0;
    }
    if (allSent && next - first >= kLongRun) noteRun(context, departures[first], static_cast<uint32_t>(next - first));
    first = next;
  }
}

void TrainSockets::noteRun(WorkerContext& context, const Departure& departure, uint32_t datagrams) {
  const uint32_t flow = departure.flow;
  if (lease_[flow] != kNone) return;
  heat_[flow] = static_cast<uint8_t>(std::min<uint32_t>(heat_[flow] + datagrams, kHot));
  if (heat_[flow] < kHot) return;
  const size_t place = freePlace(context.nowMs);
  if (place == kMaxLent) return;
  const Flow& lender = context.flows.at(flow);
  const MappedAddress& source = context.snapshot->sources[lender.upstreamSource];
  FileDescriptor fd = boundSocket(SocketAddress::fromMapped(source.data(), lender.upstreamPort, 0));
  if (!fd) {
    lease_[flow] = kNever;
    return;
  }
  lent_[place] = {std::move(fd), flow, context.nowMs, 0, context.snapshot->backends[lender.backendSlot].address, {}};
  lease_[flow] = static_cast<uint8_t>(place);
  count_++;
}

/// kMaxLent when all are in use.
size_t TrainSockets::freePlace(uint32_t nowMs) {
  for (size_t place = 0; place < kMaxLent; place++) {
    Lent& lent = lent_[place];
    if (lent.flow != kNoFlow && nowMs - lent.usedAtMs < kIdleMs) continue;
    if (lent.flow != kNoFlow) giveBack(lent.flow);
    return place;
  }
  return kMaxLent;
}

void TrainSockets::giveBack(uint32_t flow) {
  heat_[flow] = 0;
  if (isLentTo(flow)) {
    Lent& lent = lent_[lease_[flow]];
    lent.fd.reset();
    lent.flow = kNoFlow;
    count_--;
  }
  lease_[flow] = kNone;
}

}  // namespace quicproxy
