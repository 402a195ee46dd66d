#include "network/source_addresses.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

#include "io/file_descriptor.h"
#include "io/socket_options.h"

namespace quicproxy {

namespace {

/// An address that may end by itself or should begin nothing new (linux/if_addr.h). IFA_F_TEMPORARY means of IPv4 that
/// the subnet has another, older address.
constexpr uint32_t kNotToRelyOn =
    IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_OPTIMISTIC | IFA_F_HOMEADDRESS;
/// linux/if_addr.h since Linux 5.18.
constexpr uint16_t kIfaProto = 11;
/// The kernel fills messages up to a page or 32 KiB, whichever the reader's buffer allows (netlink(7)).
constexpr size_t kReadBytes = 32768;

constexpr uint32_t padded(uint32_t bytes) { return (bytes + 3) & ~3U; }

template <typename Value>
Value load(const uint8_t* at) {
  Value value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

MappedAddress mapped(std::span<const uint8_t> octets) {
  MappedAddress result{};
  if (octets.size() == 4) mapAddress(result.data(), load<in_addr>(octets.data()));
  if (octets.size() == 16) result = load<MappedAddress>(octets.data());
  return result;
}

void takeAttribute(LocalAddress& address, bool& hasLocal, uint16_t type, std::span<const uint8_t> value) {
  switch (type) {
    case IFA_LOCAL:  // of a point-to-point link IFA_ADDRESS is the far end
      address.address = mapped(value);
      hasLocal = true;
      return;
    case IFA_ADDRESS:
      if (!hasLocal) address.address = mapped(value);
      return;
    case IFA_FLAGS:
      if (value.size() == 4) address.flags = load<uint32_t>(value.data());
      return;
    case kIfaProto:
      if (value.size() == 1) address.protocol = value[0];
      return;
    case IFA_LABEL: {
      char name[IF_NAMESIZE] = {};
      const std::string_view label(reinterpret_cast<const char*>(value.data()));
      address.labelled = if_indextoname(address.interface, name) != nullptr && label != name;
      return;
    }
    default:
      return;
  }
}

/// One RTM_NEWADDR without its netlink header.
std::optional<LocalAddress> addressFrom(std::span<const uint8_t> message) {
  if (message.size() < sizeof(ifaddrmsg)) return std::nullopt;
  const auto head = load<ifaddrmsg>(message.data());
  LocalAddress address{{}, head.ifa_family, head.ifa_prefixlen, head.ifa_scope, head.ifa_index, head.ifa_flags, 0, {}};
  bool hasLocal = false;
  for (auto rest = message.subspan(padded(sizeof head)); rest.size() >= sizeof(rtattr);) {
    const auto attribute = load<rtattr>(rest.data());
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > rest.size()) break;
    takeAttribute(address, hasLocal, attribute.rta_type,
                  rest.subspan(sizeof attribute, attribute.rta_len - sizeof attribute));
    rest = rest.subspan(std::min<size_t>(padded(attribute.rta_len), rest.size()));
  }
  return address;
}

/// False when the dump ends here, complete or not.
bool takeMessages(std::span<const uint8_t> rest, std::vector<LocalAddress>& addresses) {
  while (rest.size() >= sizeof(nlmsghdr)) {
    const auto head = load<nlmsghdr>(rest.data());
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > rest.size()) return false;
    if (head.nlmsg_type == NLMSG_DONE || head.nlmsg_type == NLMSG_ERROR) return false;
    if (head.nlmsg_type == RTM_NEWADDR) {
      const auto address = addressFrom(rest.subspan(sizeof head, head.nlmsg_len - sizeof head));
      if (address) addresses.push_back(*address);
    }
    rest = rest.subspan(std::min<size_t>(padded(head.nlmsg_len), rest.size()));
  }
  return true;
}

/// What the kernel would send from: a connected UDP socket has looked up its route and sent nothing.
std::optional<MappedAddress> routedSource(const SocketAddress& backend) {
  const FileDescriptor probe(socket(backend.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe) return std::nullopt;
  preferLastingSource(probe.get(), backend.family());
  if (connect(probe.get(), &backend.any, backend.length) != 0) return std::nullopt;
  const MappedAddress source = localAddressOf(probe.get());
  if (source == MappedAddress{}) return std::nullopt;
  return source;
}

bool sameNetwork(const LocalAddress& a, const LocalAddress& b) {
  if (a.family != b.family || a.prefixBits != b.prefixBits) return false;
  const size_t bits = (a.family == AF_INET ? 96U : 0U) + a.prefixBits;
  for (size_t bit = 0; bit < bits; bit += 8) {
    const auto mask = static_cast<uint8_t>(bits - bit >= 8 ? 0xff : 0xff << (8 - (bits - bit)));
    if (((a.address[bit / 8] ^ b.address[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

bool isLasting(const LocalAddress& address) {
  const bool alone = address.prefixBits == (address.family == AF_INET ? 32 : 128);
  const bool temporary = address.family == AF_INET6 && (address.flags & IFA_F_TEMPORARY) != 0;
  return !alone && !temporary && !address.labelled && address.protocol == 0 && (address.flags & IFA_F_PERMANENT) != 0 &&
         (address.flags & kNotToRelyOn) == 0;
}

}  // namespace

MappedAddress localAddressOf(int fd) {
  SocketAddress source;
  source.length = sizeof source.v6;
  if (getsockname(fd, &source.any, &source.length) != 0) return {};
  return mappedOf(source);
}

std::vector<LocalAddress> readLocalAddresses() {
  std::vector<LocalAddress> addresses;
  const FileDescriptor fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  const struct {
    nlmsghdr head;
    ifaddrmsg body;
  } request{{sizeof request, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, {AF_UNSPEC, 0, 0, 0, 0}};
  if (!fd || send(fd.get(), &request, sizeof request, 0) != sizeof request) return addresses;
  std::array<uint8_t, kReadBytes> buffer;
  for (;;) {
    const ssize_t size = recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0 || !takeMessages({buffer.data(), static_cast<size_t>(size)}, addresses)) return addresses;
  }
}

std::vector<MappedAddress> sourcesBeside(const MappedAddress& routed, std::span<const LocalAddress> all) {
  std::vector<MappedAddress> result{routed};
  const auto own = std::ranges::find(all, routed, &LocalAddress::address);
  if (own == all.end()) return result;
  for (const LocalAddress& other : all) {
    if (result.size() == kMaxSourceAddresses) break;
    if (other.interface != own->interface || other.scope != own->scope || other.address == routed) continue;
    if (sameNetwork(other, *own) && isLasting(other)) result.push_back(other.address);
  }
  return result;
}

std::vector<MappedAddress> LocalAddresses::toward(const SocketAddress& backend) const {
  const auto routed = routedSource(backend);
  return routed ? sourcesBeside(*routed, all_) : std::vector<MappedAddress>{};
}

bool isOnThisHost(const SocketAddress& backend, const std::vector<MappedAddress>& sources) {
  if (sources.empty()) return false;
  if (backend.family() == AF_INET && sources.front()[12] == IN_LOOPBACKNET) return true;
  return sources.front() == mappedOf(backend);
}

}  // namespace quicproxy
