#pragma once

#include <array>
#include <cstdint>

namespace quicproxy {

using Block128 = std::array<uint8_t, 16>;

/// AES-128 (FIPS 197) on single blocks, as QUIC-LB uses it: forward direction for four passes, inverse for one.
/// Uses the CPU's AES instructions where it has them (3 to 5 ns a block), portable code otherwise. No library: a call
/// into one costs several times the block itself, on every packet.
class Aes128 {
 public:
  Aes128() = default;
  explicit Aes128(const uint8_t key[16]);

  [[nodiscard]] Block128 encrypt(const Block128& block) const;
  [[nodiscard]] Block128 decrypt(const Block128& block) const;

  /// Whether the CPU's instructions are used.
  [[nodiscard]] static bool accelerated();

  /// The portable code, also where the CPU has instructions: for tests.
  [[nodiscard]] Block128 encryptPortably(const Block128& block) const;
  [[nodiscard]] Block128 decryptPortably(const Block128& block) const;

 private:
  static constexpr int kRounds = 10;

  alignas(16) std::array<Block128, kRounds + 1> roundKeys_{};
  /// For the equivalent inverse cipher (FIPS 197 section 5.3.5), in the order of use.
  alignas(16) std::array<Block128, kRounds + 1> inverseKeys_{};
};

}  // namespace quicproxy
