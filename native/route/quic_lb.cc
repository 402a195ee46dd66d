#include "route/quic_lb.h"

#include <algorithm>
#include <cstring>

namespace quicproxy {

namespace {

constexpr size_t kBlockOctets = 16;

/// Room for the longest body (19 octets) and for loads of whole blocks from anywhere in it.
constexpr size_t kWorkOctets = 2 * kBlockOctets + 4;
using Work = std::array<uint8_t, kWorkOctets>;

// Whole blocks and masks instead of lengths: sizes that the compiler knows cost no call.
Block128 load(const uint8_t* octets) {
  Block128 block;
  std::memcpy(block.data(), octets, kBlockOctets);
  return block;
}

Block128 masked(const Block128& block, const Block128& mask) {
  Block128 result;
  for (size_t i = 0; i < kBlockOctets; i++) result[i] = block[i] & mask[i];
  return result;
}

Block128 firstOctets(size_t count) {
  Block128 mask{};
  std::fill_n(mask.begin(), count, uint8_t{0xff});
  return mask;
}

}  // namespace

QuicLbConfig::QuicLbConfig(uint8_t serverIdLength, uint8_t nonceLength, const uint8_t* key)
    : serverIdLength_(serverIdLength), nonceLength_(nonceLength), encrypted_(key != nullptr) {
  const size_t total = size_t{serverIdLength} + nonceLength;
  half_ = static_cast<uint8_t>((total + 1) / 2);
  serverIdMask_ = firstOctets(serverIdLength);
  leftMask_ = firstOctets(half_);
  rightMask_ = firstOctets(half_);
  if (total % 2 != 0) {
    leftMask_[half_ - size_t{1}] = 0xf0;
    rightMask_[0] = 0x0f;
  }
  if (key != nullptr) cipher_ = Aes128(key);
}

ServerId QuicLbConfig::decode(std::span<const uint8_t> cid) const {
  const std::span<const uint8_t> body = cid.subspan(1);
  const bool onePass = size_t{serverIdLength_} + nonceLength_ == kBlockOctets;
  ServerId server;
  server.length = serverIdLength_;
  // Read where it lies: only a datagram that ends within the block has to be copied first.
  if (body.size() >= kBlockOctets && (!encrypted_ || onePass)) {
    const Block128 block = load(body.data());
    server.octets = masked(encrypted_ ? cipher_.decrypt(block) : block, serverIdMask_);
    return server;
  }
  Work work{};
  if (body.size() >= 2 * kBlockOctets) {
    std::memcpy(work.data(), body.data(), 2 * kBlockOctets);
  } else {
    std::memcpy(work.data(), body.data(), body.size());
  }
  if (encrypted_) decryptFourPass(work.data());
  server.octets = masked(load(work.data()), serverIdMask_);
  return server;
}

QuicLbConfig::Halves QuicLbConfig::split(const uint8_t* body) const {
  const size_t total = size_t{serverIdLength_} + nonceLength_;
  return {masked(load(body), leftMask_), masked(load(body + total - half_), rightMask_)};
}

void QuicLbConfig::join(const Halves& halves, uint8_t* body) const {
  const size_t rightAt = size_t{serverIdLength_} + nonceLength_ - half_;
  std::memcpy(body, halves.left.data(), kBlockOctets);
  Block128 right = halves.right;
  right[0] |= rightAt < half_ ? body[rightAt] : uint8_t{0};
  std::memcpy(body + rightAt, right.data(), kBlockOctets);
}

/// into ^= truncate(AES(expand(from))), expand being the half, zeroes, the total length and the number of the pass.
void QuicLbConfig::pass(const Block128& from, uint8_t number, Block128& into) const {
  Block128 block = from;
  block[14] = static_cast<uint8_t>(serverIdLength_ + nonceLength_);
  block[15] = number;
  const Block128 pad = masked(cipher_.encrypt(block), number % 2 != 0 ? rightMask_ : leftMask_);
  for (size_t i = 0; i < kBlockOctets; i++) into[i] ^= pad[i];
}

void QuicLbConfig::decryptFourPass(uint8_t* body) const {
  Halves halves = split(body);
  pass(halves.right, 4, halves.left);
  pass(halves.left, 3, halves.right);
  pass(halves.right, 2, halves.left);
  // The server ID lies in the left half unless it is longer than the nonce: then the last pass is needed too.
  if (serverIdLength_ > nonceLength_) pass(halves.left, 1, halves.right);
  join(halves, body);
}

std::array<uint8_t, 20> QuicLbConfig::encode(const ServerId& server, std::span<const uint8_t> nonce,
                                             uint8_t firstOctet) const {
  Work work{};
  std::memcpy(work.data(), server.octets.data(), serverIdLength_);
  std::memcpy(work.data() + serverIdLength_, nonce.data(), nonceLength_);
  const size_t total = size_t{serverIdLength_} + nonceLength_;
  if (encrypted_ && total == kBlockOctets) {
    const Block128 sealed = cipher_.encrypt(load(work.data()));
    std::memcpy(work.data(), sealed.data(), kBlockOctets);
  } else if (encrypted_) {
    Halves halves = split(work.data());
    pass(halves.left, 1, halves.right);
    pass(halves.right, 2, halves.left);
    pass(halves.left, 3, halves.right);
    pass(halves.right, 4, halves.left);
    join(halves, work.data());
  }
  std::array<uint8_t, 20> cid{};
  cid[0] = firstOctet;
  std::memcpy(cid.data() + 1, work.data(), total);
  return cid;
}

}  // namespace quicproxy
