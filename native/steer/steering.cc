#include "steer/steering.h"

#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "abi/contract.h"
#include "route/cid_lengths.h"
#include "steer.object.h"

namespace quicproxy {

static_assert(QP_STEER_CID_BYTES == CidLengths::kMaxLength && QP_STEER_WORKERS == kMaxWorkers);
static_assert(QP_STEER_LENGTHS == CidLengths::kMaxDistinct);
static_assert(sizeof(steer_cid) == 24);

namespace {

/// 100 MB of kernel memory.
constexpr uint32_t kMaxCids = 1 << 20;

}  // namespace

bool SteeredGroup::setSocket(uint32_t worker, int fd) const {
  const auto value = static_cast<uint64_t>(fd);
  return setMapElement(object_.map("sockets"), &worker, &value) == 0;
}

void SteeredGroup::removeSocket(uint32_t worker) const { deleteMapElement(object_.map("sockets"), &worker); }

std::variant<std::unique_ptr<Steering>, BpfRefusal> Steering::create(uint32_t flowCapacity) {
  const std::array<MapSize, 1> sizes{{{"cids", std::clamp<uint32_t>(flowCapacity / 4, QP_STEER_CIDS, kMaxCids)}}};
  auto loaded = BpfObject::load(kSteerObject, "quicproxy_steer", {.sizes = sizes});
  if (auto* refusal = std::get_if<BpfRefusal>(&loaded)) return *refusal;
  return std::unique_ptr<Steering>(new Steering(std::get<BpfObject>(std::move(loaded))));
}

std::variant<std::unique_ptr<SteeredGroup>, BpfRefusal> Steering::attach(int groupMember) const {
  const std::array<SharedMap, 4> shared{{{"cids", object_.map("cids")},
                                         {"paths", object_.map("paths")},
                                         {"settings", object_.map("settings")},
                                         {"outcomes", object_.map("outcomes")}}};
  auto loaded = BpfObject::load(kSteerObject, "quicproxy_steer", {.shared = shared});
  if (auto* refusal = std::get_if<BpfRefusal>(&loaded)) return *refusal;
  std::unique_ptr<SteeredGroup> group(new SteeredGroup(std::get<BpfObject>(std::move(loaded))));
  const int program = group->object_.program("steer_datagram");
  if (setsockopt(groupMember, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof program) != 0) {
    const int error = errno;
    return BpfRefusal{std::string("the kernel refused the steering program on the socket: ") + std::strerror(error),
                      error};
  }
  return group;
}

void Steering::keepCid(uint32_t worker, std::span<const uint8_t> cid) {
  if (!CidLengths::mayBeLearned(cid.size())) return;
  const uint32_t bit = uint32_t{1} << cid.size();
  if ((cidLengths_.fetch_or(bit, std::memory_order_relaxed) & bit) == 0) publishSettings();
  steer_cid key{};
  key.length = static_cast<uint8_t>(cid.size());
  std::memcpy(key.octets, cid.data(), cid.size());
  setMapElement(object_.map("cids"), &key, &worker);
}

void Steering::keepPath(uint32_t worker, const FourTuple& tuple) {
  const FourTuple key = tuple.withoutInterface();
  setMapElement(object_.map("paths"), &key, &worker);
  if (paths_.fetch_add(1, std::memory_order_relaxed) == 0) publishSettings();
}

void Steering::forgetPath(const FourTuple& tuple) {
  const FourTuple key = tuple.withoutInterface();
  deleteMapElement(object_.map("paths"), &key);
  if (paths_.fetch_sub(1, std::memory_order_relaxed) == 1) publishSettings();
}

void Steering::setLengths(uint32_t lengths) {
  if (cidLengths_.exchange(lengths, std::memory_order_relaxed) != lengths) publishSettings();
}

/// Two workers may publish at once, each having set its own bit before: whoever comes last has seen both.
void Steering::publishSettings() {
  const uint32_t zero = 0;
  for (;;) {
    const uint32_t lengths = cidLengths_.load();
    const bool pathsInUse = paths_.load() != 0;
    steer_settings settings{};
    settings.paths_in_use = pathsInUse ? 1 : 0;
    size_t count = 0;
    for (const uint8_t length : CidLengths::LongestFirst(lengths)) {
      if (count < QP_STEER_LENGTHS) settings.cid_lengths[count++] = length;
    }
    setMapElement(object_.map("settings"), &zero, &settings);
    if (lengths == cidLengths_.load() && pathsInUse == (paths_.load() != 0)) return;
  }
}

std::array<uint64_t, QP_STEER_OUTCOMES> Steering::outcomes() const {
  std::array<uint64_t, QP_STEER_OUTCOMES> sums{};
  const int map = object_.map("outcomes");
  for (uint32_t i = 0; i < sums.size(); i++) sums[i] = sumOverCpus(map, i);
  return sums;
}

}  // namespace quicproxy
