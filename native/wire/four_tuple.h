#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "wire/mapped_address.h"
#include "wire/path.h"

namespace quicproxy {

/// A udp_path with ports in host order for those who look at them, hashed and compared as octets.
///
/// The interface of a link-local address (RFC 4007) stands in the address itself, in four octets that are zero on the
/// wire (RFC 4291 section 2.5.6): two neighbours of one address on two links are two paths.
struct FourTuple : udp_path {
  FourTuple() : udp_path{} {}
  FourTuple(const MappedAddress& remoteAddress, uint16_t remotePort, const MappedAddress& localAddress,
            uint16_t localPort)
      : udp_path{} {
    std::memcpy(remote, remoteAddress.data(), sizeof remote);
    std::memcpy(local, localAddress.data(), sizeof local);
    setRemotePort(remotePort);
    setLocalPort(localPort);
  }

  [[nodiscard]] MappedAddress remoteAddress() const { return addressOf(remote); }
  [[nodiscard]] MappedAddress localAddress() const { return addressOf(local); }
  [[nodiscard]] uint16_t remotePort() const { return swapped(remote_port); }
  [[nodiscard]] uint16_t localPort() const { return swapped(local_port); }
  void setRemotePort(uint16_t port) { remote_port = swapped(port); }
  void setLocalPort(uint16_t port) { local_port = swapped(port); }

  /// Writes the interface into those of the addresses that are link-local.
  void setInterface(uint32_t index) {
    if (isLinkLocal(remote)) std::memcpy(remote + kInterfaceAt, &index, sizeof index);
    if (isLinkLocal(local)) std::memcpy(local + kInterfaceAt, &index, sizeof index);
  }
  /// 0 where no address is link-local.
  [[nodiscard]] uint32_t interfaceIndex() const {
    uint32_t index = 0;
    if (isLinkLocal(remote)) {
      std::memcpy(&index, remote + kInterfaceAt, sizeof index);
    } else if (isLinkLocal(local)) {
      std::memcpy(&index, local + kInterfaceAt, sizeof index);
    }
    return index;
  }
  /// The same path as the wire has it.
  [[nodiscard]] FourTuple withoutInterface() const {
    FourTuple path = *this;
    path.setInterface(0);
    return path;
  }

  friend bool operator==(const FourTuple& a, const FourTuple& b) { return std::memcmp(&a, &b, sizeof(FourTuple)) == 0; }

 private:
  static constexpr size_t kInterfaceAt = 4;

  static bool isLinkLocal(const uint8_t* address) { return address[0] == 0xfe && (address[1] & 0xc0) == 0x80; }
  static MappedAddress addressOf(const uint8_t* octets) {
    MappedAddress address;
    std::memcpy(address.data(), octets, address.size());
    return address;
  }
  static constexpr uint16_t swapped(uint16_t port) {
    if constexpr (std::endian::native == std::endian::big) return port;
    return static_cast<uint16_t>(port << 8 | port >> 8);
  }
};
static_assert(sizeof(FourTuple) == 36, "hashed as octets: no gaps");

}  // namespace quicproxy
