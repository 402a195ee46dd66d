#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "route/aes128.h"

/// Routable Connection IDs of draft-ietf-quic-load-balancers (revisions 19 to 21 and later; four-pass Connection IDs of
/// revisions up to 18 differ).
namespace quicproxy {

/// Config rotation bits are 3 bits; 0b111 means "not routable".
inline constexpr size_t kQuicLbConfigs = 7;

struct ServerId {
  static constexpr size_t kMaxLength = 15;
  Block128 octets{};  ///< zero behind `length`
  uint8_t length = 0;

  bool operator==(const ServerId&) const = default;
};

/// One config: how its Connection IDs are laid out and, with a key, encrypted.
///
///   1 octet: 3 bits config rotation, 5 bits length or random | server ID | nonce | octets for the server's own use
class QuicLbConfig {
 public:
  QuicLbConfig() = default;
  /// serverIdLength 1..15, nonceLength 4..18, together at most 19; key: 16 octets, null for plain text.
  QuicLbConfig(uint8_t serverIdLength, uint8_t nonceLength, const uint8_t* key);

  /// Octets that a Connection ID must have at least; longer ones are fine.
  [[nodiscard]] size_t cidLength() const { return size_t{1} + serverIdLength_ + nonceLength_; }

  /// The server ID in a Connection ID of this config. `cid` has at least cidLength() octets; what follows is not looked
  /// at, so the rest of a datagram behind a short header's first octet will do.
  [[nodiscard]] ServerId decode(std::span<const uint8_t> cid) const;

  /// What a server writes behind the first octet: for tests. `nonce` has nonceLength octets.
  [[nodiscard]] std::array<uint8_t, 20> encode(const ServerId& server, std::span<const uint8_t> nonce,
                                               uint8_t firstOctet) const;

  [[nodiscard]] uint8_t serverIdLength() const { return serverIdLength_; }
  [[nodiscard]] uint8_t nonceLength() const { return nonceLength_; }
  [[nodiscard]] bool encrypted() const { return encrypted_; }

 private:
  /// The two halves of a four-pass body, each at the front of a block of zeroes. With an odd total the middle octet is
  /// split: its high nibble ends the left half, its low nibble begins the right one.
  struct Halves {
    Block128 left;
    Block128 right;
  };

  [[nodiscard]] Halves split(const uint8_t* body) const;
  void join(const Halves& halves, uint8_t* body) const;
  void pass(const Block128& from, uint8_t number, Block128& into) const;
  void decryptFourPass(uint8_t* body) const;

  uint8_t serverIdLength_ = 1;
  uint8_t nonceLength_ = 4;
  bool encrypted_ = false;
  uint8_t half_ = 3;
  Block128 serverIdMask_{};
  Block128 leftMask_{};
  Block128 rightMask_{};
  Aes128 cipher_;
};

}  // namespace quicproxy
