#include "route/aes128.h"

#include <gtest/gtest.h>

#include <random>

namespace quicproxy {
namespace {

TEST(Aes128, MatchesTheExampleOfFips197) {
  uint8_t key[16];
  Block128 plain;
  for (uint8_t i = 0; i < 16; i++) {
    key[i] = i;
    plain[i] = static_cast<uint8_t>(i * 0x11);
  }
  const Block128 sealed = {0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30,
                           0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a};
  const Aes128 cipher(key);
  EXPECT_EQ(cipher.encrypt(plain), sealed);
  EXPECT_EQ(cipher.decrypt(sealed), plain);
  EXPECT_EQ(cipher.encryptPortably(plain), sealed);
  EXPECT_EQ(cipher.decryptPortably(sealed), plain);
}

TEST(Aes128, TheCpuAndThePortableCodeAgree) {
  if (!Aes128::accelerated()) GTEST_SKIP() << "this CPU has no AES instructions: only the portable code was tested";
  std::mt19937 random(1);
  const auto fill = [&random](auto& octets) {
    for (auto& octet : octets) octet = static_cast<uint8_t>(random());
  };
  for (int i = 0; i < 2000; i++) {
    uint8_t key[16];
    Block128 block;
    fill(key);
    fill(block);
    const Aes128 cipher(key);
    ASSERT_EQ(cipher.encrypt(block), cipher.encryptPortably(block));
    ASSERT_EQ(cipher.decrypt(block), cipher.decryptPortably(block));
  }
}

}  // namespace
}  // namespace quicproxy
