#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace quicproxy::soak {

inline constexpr uint16_t kBackends = 40;
inline constexpr uint16_t kListeners = 4;

/// What the contract names, for those who judge where an answer came from: raised to an odd value before something is
/// taken out, to an even one after it came in. An equal even value at two times: it was there in between.
struct Presence {
  std::array<std::atomic<uint32_t>, kBackends> backends{};
  std::array<std::atomic<uint32_t>, kListeners> listeners{};
  std::atomic<bool> stopping{false};

  static bool isIn(uint32_t epoch) { return epoch % 2 == 0; }
};

}  // namespace quicproxy::soak
