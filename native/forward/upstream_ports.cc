#include "forward/upstream_ports.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "io/socket_options.h"
#include "network/ports_in_use.h"
#include "upstream_lookup.object.h"

namespace quicproxy {

namespace {

/// A block that another process had may be free again after this time.
constexpr uint32_t kForeignRetryMs = 1000;

/// A socket on a port of all addresses that keeps others from it and receives nothing.
FileDescriptor markerOn(uint16_t port) {
  FileDescriptor fd(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  SocketAddress address;
  if (fd) {
    address.v6.sin6_family = AF_INET6;
    address.length = sizeof address.v6;
    setOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  } else {
    fd = FileDescriptor(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    address.v4.sin_family = AF_INET;
    address.length = sizeof address.v4;
  }
  if (!fd) return fd;
  // Port numbers stand at the same place in both.
  address.v4.sin_port = htons(port);
  if (!takeNothing(fd.get()) || bind(fd.get(), &address.any, address.length) != 0) return {};
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
  ports->firstBlock_ = (first + kBlockPorts - 1) / kBlockPorts;
  ports->lastBlock_ = (last + 1) / kBlockPorts - 1;
  if (ports->lastBlock_ < ports->firstBlock_) return std::string("the port range has no whole block of 256 ports");
  ports->excluded_ = portsInUse() | reflectedPorts();
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

std::optional<uint8_t> UpstreamPorts::claim(uint32_t worker, uint32_t nowMs) {
  for (uint32_t block = firstBlock_; block <= lastBlock_; block++) {
    Block expected = Block::kFree;
    if (!blocks_[block].compare_exchange_strong(expected, Block::kOurs, std::memory_order_acq_rel)) continue;
    if (take(block, worker)) return static_cast<uint8_t>(block);
    blocks_[block].store(Block::kForeign, std::memory_order_release);
  }
  forgetForeign(nowMs);
  return std::nullopt;
}

bool UpstreamPorts::take(uint32_t block, uint32_t worker) {
  const uint32_t first = block * kBlockPorts;
  markers_[block] = markerOn(static_cast<uint16_t>(first));
  if (!markers_[block]) return false;
  for (uint32_t port = first; port < first + kBlockPorts; port++) {
    if (!excluded(static_cast<uint16_t>(port)))
      std::atomic_ref(owners_->owner[port]).store(static_cast<uint8_t>(worker + 1));
  }
  claimed_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void UpstreamPorts::release(uint8_t block) {
  const uint32_t first = block * kBlockPorts;
  for (uint32_t port = first; port < first + kBlockPorts; port++) std::atomic_ref(owners_->owner[port]).store(0);
  markers_[block].reset();
  claimed_.fetch_sub(1, std::memory_order_relaxed);
  blocks_[block].store(Block::kFree, std::memory_order_release);
}

void UpstreamPorts::forgetForeign(uint32_t nowMs) {
  uint32_t triedAtMs = triedForeignAtMs_.load(std::memory_order_relaxed);
  if (nowMs - triedAtMs < kForeignRetryMs) return;
  if (!triedForeignAtMs_.compare_exchange_strong(triedAtMs, nowMs, std::memory_order_relaxed)) return;
  for (auto& block : blocks_) {
    Block expected = Block::kForeign;
    block.compare_exchange_strong(expected, Block::kFree, std::memory_order_acq_rel);
  }
}

}  // namespace quicproxy
