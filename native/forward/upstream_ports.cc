#include "forward/upstream_ports.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/socket_options.h"
#include "upstream_lookup.object.h"

namespace quicproxy {

namespace {

/// A block that another process had may be free again after this time.
constexpr uint32_t kForeignRetryMs = 1000;

/// A socket on a port of all addresses that keeps others from it and receives nothing. beside: listening sockets of
/// this process that are about to be closed may still be there.
FileDescriptor markerOn(uint16_t port, bool beside) {
  FileDescriptor fd(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const SocketAddress address = SocketAddress::from(MappedAddress{}.data(), fd ? 6 : 4, port);
  if (fd) {
    setOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  } else {
    fd = FileDescriptor(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  }
  if (!fd) return fd;
  if (beside) setOption(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (!takeNothing(fd.get()) || bind(fd.get(), &address.any, address.length) != 0) return {};
  if (beside) setOption(fd.get(), SOL_SOCKET, SO_REUSEPORT, 0);
  return fd;
}

std::string failed(const char* step) { return std::string(step) + ": " + std::strerror(errno); }

upstream_backend keyOf(const SocketAddress& address) {
  upstream_backend key{};
  key.port = htons(address.port());
  std::memcpy(key.address, mappedOf(address).data(), sizeof key.address);
  return key;
}

}  // namespace

std::variant<std::unique_ptr<UpstreamPorts>, std::string> UpstreamPorts::create(uint16_t first, uint16_t last) {
  auto loaded = BpfObject::load(kUpstreamLookupObject, "upstream_lookup");
  if (const auto* refusal = std::get_if<BpfRefusal>(&loaded)) return refusal->why;
  std::unique_ptr<UpstreamPorts> ports(new UpstreamPorts(std::get<BpfObject>(std::move(loaded))));
  const uint32_t end = (uint32_t{last} + 1) / kBlockPorts;
  ports->firstBlock_ = std::max<uint32_t>(1, (uint32_t{first} + kBlockPorts - 1) / kBlockPorts);
  if (end <= ports->firstBlock_) return std::string("the port range has no whole block of 256 ports");
  ports->lastBlock_ = end - 1;
  ports->free_.store(ports->blockCount(), std::memory_order_relaxed);
  if (getrandom(&ports->turn_, sizeof ports->turn_, 0) != sizeof ports->turn_) ports->turn_ = 0;
  ports->turn_ %= ports->blockCount();
  ports->foreign_ = portsInUse();
  std::string failure = ports->attach();
  if (!failure.empty()) return failure;
  return ports;
}

std::string UpstreamPorts::attach() {
  void* mapped = mmap(nullptr, sizeof(upstream_ports), PROT_READ | PROT_WRITE, MAP_SHARED, object_.map("ports"), 0);
  if (mapped == MAP_FAILED) return failed("cannot map the table of ports");
  owners_ = static_cast<upstream_ports*>(mapped);
  const FileDescriptor network(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  link_ = FileDescriptor(attachToNetworkNamespace(object_.program("upstream_lookup"), network.get()));
  return link_ ? "" : failed("cannot attach the SK_LOOKUP program to the network namespace");
}

UpstreamPorts::~UpstreamPorts() {
  if (owners_ != nullptr) munmap(owners_, sizeof(upstream_ports));
}

bool UpstreamPorts::setSocket(uint32_t worker, bool v6, int fd) {
  const uint32_t index = upstream_socket_index(worker, v6 ? 1 : 0);
  const auto value = static_cast<uint64_t>(fd);
  return setMapElement(object_.map("sockets"), &index, &value) == 0;
}

bool UpstreamPorts::setBackends(std::span<const SocketAddress> next, Keep keep) {
  const int map = object_.map("backends");
  const uint32_t present = 1;
  std::set<std::string> wanted;
  for (const SocketAddress& address : next) {
    const upstream_backend key = keyOf(address);
    const std::string octets(reinterpret_cast<const char*>(&key), sizeof key);
    wanted.insert(octets);
    if (backends_.contains(octets)) continue;
    if (setMapElement(map, &key, &present) != 0) return false;
    backends_.insert(octets);
  }
  if (keep == Keep::kPresent) return true;
  for (const std::string& octets : backends_) {
    if (!wanted.contains(octets)) deleteMapElement(map, octets.data());
  }
  backends_ = std::move(wanted);
  return true;
}

bool UpstreamPorts::lend(uint16_t port) {
  const std::lock_guard lock(mutex_);
  const Block& block = blocks_[port / kBlockPorts];
  return port % kBlockPorts == 0 && block.marker && setOption(block.marker.get(), SOL_SOCKET, SO_REUSEPORT, 1);
}

/// The next marker comes before the listening socket goes, and the other way round: at no time is the block unmarked.
void UpstreamPorts::spare(const PortSet& listened, const PortSet& named) {
  const std::lock_guard lock(mutex_);
  listened_ = listened;
  named_ = named;
  for (uint32_t number = firstBlock_; number <= lastBlock_; number++) {
    Block& block = blocks_[number];
    if (block.state != State::kOurs) continue;
    const auto port = static_cast<uint16_t>(number * kBlockPorts);
    if (listened_[port]) {
      block.marker.reset();
    } else if (!block.marker) {
      block.marker = markerOn(port, true);
    } else {
      setOption(block.marker.get(), SOL_SOCKET, SO_REUSEPORT, 0);
    }
    writeOwners(number);
  }
}

void UpstreamPorts::yieldToOthers() {
  const PortSet used = portsInUse();
  // Sockets that are lent to flows; one that was opened since is in neither.
  const PortSet own = ownPorts();
  const std::lock_guard lock(mutex_);
  PortSet suspected;
  for (uint32_t number = firstBlock_; number <= lastBlock_; number++) {
    const bool ours = blocks_[number].state == State::kOurs;
    for (uint32_t port = number * kBlockPorts; port < (number + 1) * kBlockPorts; port++) {
      const bool foreign = used[port] && !own[port];
      suspected[port] = foreign;
      foreign_[port] = foreign && (!ours || foreign_[port] || suspected_[port]);
    }
    if (ours) writeOwners(number);
  }
  suspected_ = suspected;
}

std::optional<uint8_t> UpstreamPorts::claim(uint32_t worker, uint32_t nowMs, Need need) {
  const uint32_t waiting = waiting_.load(std::memory_order_relaxed);
  if (waiting != 0 && waiting != worker + 1) return std::nullopt;
  if (need == Need::kSpare && free_.load(std::memory_order_relaxed) <= keptForNewcomers()) return std::nullopt;
  if (free_.load(std::memory_order_relaxed) == 0) {
    forgetForeign(nowMs);
    return std::nullopt;
  }
  const std::lock_guard lock(mutex_);
  const uint32_t count = blockCount();
  for (uint32_t tried = 0; tried < count; tried++) {
    const uint32_t number = firstBlock_ + (turn_ + tried) % count;
    if (blocks_[number].state != State::kFree) continue;
    free_.fetch_sub(1, std::memory_order_relaxed);
    if (!take(number, worker)) continue;
    turn_ = (number - firstBlock_ + 1) % count;
    withdraw(worker);
    return static_cast<uint8_t>(number);
  }
  return std::nullopt;
}

bool UpstreamPorts::take(uint32_t number, uint32_t worker) {
  Block& block = blocks_[number];
  const auto first = static_cast<uint16_t>(number * kBlockPorts);
  if (!listened_[first]) {
    block.marker = markerOn(first, false);
    if (!block.marker) {
      block.state = State::kForeign;
      return false;
    }
  }
  block.state = State::kOurs;
  block.owner = static_cast<uint8_t>(worker + 1);
  writeOwners(number);
  claimed_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void UpstreamPorts::writeOwners(uint32_t number) {
  static const PortSet kReflected = reflectedPorts();
  const uint32_t first = number * kBlockPorts;
  for (uint32_t port = first; port < first + kBlockPorts; port++) {
    const bool spared = port == first || foreign_[port] || named_[port] || kReflected[port];
    std::atomic_ref(owners_->owner[port]).store(spared ? uint8_t{0} : blocks_[number].owner, std::memory_order_relaxed);
  }
}

uint32_t UpstreamPorts::countOwnedBy(uint32_t worker, uint8_t block) const {
  uint32_t count = 0;
  for (uint32_t port = block * kBlockPorts; port < (block + 1U) * kBlockPorts; port++) {
    count += isOwnedBy(worker, static_cast<uint16_t>(port)) ? 1 : 0;
  }
  return count;
}

void UpstreamPorts::release(uint8_t number) {
  const std::lock_guard lock(mutex_);
  blocks_[number].owner = 0;
  writeOwners(number);
  blocks_[number].marker.reset();
  blocks_[number].state = State::kFree;
  claimed_.fetch_sub(1, std::memory_order_relaxed);
  free_.fetch_add(1, std::memory_order_relaxed);
}

void UpstreamPorts::forgetForeign(uint32_t nowMs) {
  uint32_t triedAtMs = triedForeignAtMs_.load(std::memory_order_relaxed);
  if (nowMs - triedAtMs < kForeignRetryMs) return;
  if (!triedForeignAtMs_.compare_exchange_strong(triedAtMs, nowMs, std::memory_order_relaxed)) return;
  const std::lock_guard lock(mutex_);
  for (Block& block : blocks_) {
    if (block.state != State::kForeign) continue;
    block.state = State::kFree;
    free_.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace quicproxy
