#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "route/index_table_model.h"

namespace {

using quicproxy::Digest128;
using quicproxy::IndexTableModel;

constexpr uint32_t kCapacity = 24;
constexpr uint32_t kIdleMs = 100;

struct Require {
  void operator()(bool holds, const char* claim) const {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", claim);
    std::abort();
  }
};

/// 256 keys; as a look-up takes its buckets from the low 32 bits of each word, the high nibbles choose them.
Digest128 keyOf(uint8_t octet) {
  return {uint64_t{octet} << 28 | octet, static_cast<uint64_t>(octet & 0x0f) << 28 | octet};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

/// Three octets an operation: what, key, how much.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  IndexTableModel model(kCapacity, 0xffffff80, kIdleMs, Require{});
  for (size_t at = 0; at + 3 <= size; at += 3) {
    const Digest128 key = keyOf(data[at + 1]);
    const uint8_t amount = data[at + 2];
    switch (data[at] % 6) {
      case 0:
        model.advance(amount);
        break;
      case 1:
        model.erase(key);
        break;
      case 2:
        model.sweep(amount);
        break;
      case 3:
        model.touch(key);
        break;
      case 4:
        model.update(key, at << 8 | amount);
        break;
      default:
        model.insert(key, at << 8 | amount);
    }
    model.compare(key);
  }
  model.compareAll();
  return 0;
}
