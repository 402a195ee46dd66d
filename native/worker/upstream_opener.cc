#include "worker/upstream_opener.h"

#include "forward/raw_upstream.h"
#include "forward/upstream_sockets.h"

namespace quicproxy {

std::vector<std::unique_ptr<Upstream>> UpstreamOpener::openAll(std::span<const uint32_t> flowCapacities,
                                                               const Snapshot& first) {
  std::vector<std::unique_ptr<Upstream>> upstreams;
  if (header_.mode != Mode::kBaseline && header_.upstreamLevel == UpstreamLevel::kAuto) {
    reason_ = openRaw(flowCapacities, first, upstreams);
    if (reason_.empty() && !catchFrom(first, UpstreamPorts::Keep::kPresent)) {
      reason_ = "the kernel refused the table of backends";
    }
    if (reason_.empty()) return upstreams;
  }
  upstreams.clear();
  ports_.reset();
  for (const uint32_t capacity : flowCapacities) {
    upstreams.push_back(openPool(capacity));
  }
  return upstreams;
}

std::string UpstreamOpener::openRaw(std::span<const uint32_t> flowCapacities, const Snapshot& first,
                                    std::vector<std::unique_ptr<Upstream>>& upstreams) {
  auto ports = UpstreamPorts::create(header_.upstreamPortFirst, header_.upstreamPortLast);
  if (auto* failure = std::get_if<std::string>(&ports)) return *failure;
  ports_ = std::get<std::unique_ptr<UpstreamPorts>>(std::move(ports));
  sparePorts(first);
  for (uint32_t worker = 0; worker < flowCapacities.size(); worker++) {
    auto upstream = open(worker, flowCapacities[worker]);
    if (auto* failure = std::get_if<std::string>(&upstream)) return *failure;
    upstreams.push_back(std::get<std::unique_ptr<Upstream>>(std::move(upstream)));
  }
  return "";
}

std::variant<std::unique_ptr<Upstream>, std::string> UpstreamOpener::open(uint32_t worker, uint32_t flowCapacity) {
  if (!ports_) return openPool(flowCapacity);
  const RawUpstream::Options options{worker, flowCapacity, {header_.receiveBufferBytes, header_.sendBufferBytes}, key_};
  auto upstream = RawUpstream::create(options, *ports_);
  if (auto* failure = std::get_if<std::string>(&upstream)) return *failure;
  return std::unique_ptr<Upstream>(std::get<std::unique_ptr<RawUpstream>>(std::move(upstream)));
}

std::unique_ptr<Upstream> UpstreamOpener::openPool(uint32_t flowCapacity) const {
  return std::make_unique<UpstreamSockets>(flowCapacity, header_.mode != Mode::kBaseline,
                                           BufferSizes{header_.receiveBufferBytes, header_.sendBufferBytes});
}

void UpstreamOpener::sparePorts(const Snapshot& snapshot) {
  if (!ports_) return;
  PortSet listened;
  for (const auto& endpoint : snapshot.endpoints) {
    if (endpoint) listened.set(endpoint->address.port());
  }
  ports_->spare(listened, snapshot.portsNamed);
}

void UpstreamOpener::yieldPorts() {
  if (ports_) ports_->yieldToOthers();
}

bool UpstreamOpener::catchFrom(const Snapshot& snapshot, UpstreamPorts::Keep keep) {
  if (!ports_) return true;
  std::vector<SocketAddress> backends;
  for (const Backend& backend : snapshot.backends) {
    if (backend.state != BackendState::kRetired) backends.push_back(backend.address);
  }
  return ports_->setBackends(backends, keep);
}

}  // namespace quicproxy
