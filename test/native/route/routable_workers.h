#pragma once

#include "routing_fixture.h"

namespace quicproxy {

inline constexpr uint8_t kVectorKey[16] = {0x8f, 0x95, 0xf0, 0x92, 0x45, 0x76, 0x5f, 0x80,
                                           0x25, 0x69, 0x34, 0xe5, 0x0c, 0x66, 0x20, 0x7f};

inline ServerId serverOf(uint16_t backend, uint8_t length) {
  ServerId server;
  server.length = length;
  for (uint8_t i = 0; i < length; i++) server.octets[i] = static_cast<uint8_t>(0xa0 + backend);
  return server;
}

/// Three backends; rotation 0 in plain text (3+4), 1 single pass (8+8), 2 four passes (4+7).
class RoutableWorkers : public TwoWorkers {
 public:
  explicit RoutableWorkers(uint32_t flows = 64, const uint8_t* key = kVectorKey) : TwoWorkers(3, flows) {
    add(0, QuicLbConfig(3, 4, nullptr));
    add(1, QuicLbConfig(8, 8, key));
    add(2, QuicLbConfig(4, 7, key));
  }

  std::vector<uint8_t> cid(uint8_t rotation, uint16_t backend, uint8_t nonce, size_t extra = 0) const {
    const QuicLbConfig& config = configs_[rotation];
    const std::vector<uint8_t> nonces(config.nonceLength(), nonce);
    const auto made = config.encode(serverOf(backend, config.serverIdLength()), nonces,
                                    static_cast<uint8_t>(rotation << 5 | (nonce & 0x1f)));
    std::vector<uint8_t> cid(made.begin(), made.begin() + static_cast<ptrdiff_t>(config.cidLength()));
    cid.resize(cid.size() + extra, 0x99);
    return cid;
  }

 private:
  void add(uint8_t rotation, const QuicLbConfig& config) {
    std::vector<std::pair<ServerId, uint16_t>> servers;
    for (uint16_t backend = 0; backend < 3; backend++) {
      servers.emplace_back(serverOf(backend, config.serverIdLength()), backend);
    }
    quicLb.add(rotation, config, ServerIds(servers, {7, 8}));
    configs_[rotation] = config;
  }

  QuicLbConfig configs_[3];
};

}  // namespace quicproxy
