#pragma once

#include <cstdint>
#include <vector>

namespace quicproxy {

/// Which datagrams were sent lately, each by its flow and the length and checksum of its UDP header: what the shortest
/// ICMP error quotes, and who is not on the path has to guess. One place per datagram, which some later one takes over:
/// of 8,192 datagrams sent since a third is still known.
class SentDatagrams {
 public:
  SentDatagrams() : places_(kPlaces) {}

  /// udp: length and checksum as they stand in the header.
  void note(uint32_t flow, uint32_t udp) { places_[placeOf(flow, udp)] = pack(flow, udp); }
  [[nodiscard]] bool has(uint32_t flow, uint32_t udp) const { return places_[placeOf(flow, udp)] == pack(flow, udp); }

 private:
  static constexpr uint32_t kPlaceBits = 13;
  static constexpr uint32_t kPlaces = 1 << kPlaceBits;

  /// No length is 0, so no datagram is taken for an empty place.
  static uint64_t pack(uint32_t flow, uint32_t udp) { return uint64_t{flow} << 32 | udp; }
  /// By multiplication (Knuth, volume 3, section 6.4): consecutive flows and lengths are far apart.
  static uint32_t placeOf(uint32_t flow, uint32_t udp) {
    return static_cast<uint32_t>(pack(flow, udp) * 0x9e3779b97f4a7c15 >> (64 - kPlaceBits));
  }

  std::vector<uint64_t> places_;
};

}  // namespace quicproxy
