#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "route/quic_lb.h"

namespace {

std::vector<uint8_t> octetsOf(const std::string& hex) {
  std::vector<uint8_t> octets;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    octets.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return octets;
}

}  // namespace

/// Reads "<server ID octets> <nonce octets> <key or -> <Connection ID>" a line, writes the server ID that the proxy's
/// packet path reads from it.
int main() {
  int serverIdLength = 0;
  int nonceLength = 0;
  std::string key;
  std::string cid;
  while (std::cin >> serverIdLength >> nonceLength >> key >> cid) {
    const std::vector<uint8_t> keyOctets = octetsOf(key == "-" ? "" : key);
    const quicproxy::QuicLbConfig config(static_cast<uint8_t>(serverIdLength), static_cast<uint8_t>(nonceLength),
                                         keyOctets.empty() ? nullptr : keyOctets.data());
    const quicproxy::ServerId server = config.decode(octetsOf(cid));
    for (size_t i = 0; i < server.length; i++) std::printf("%02x", server.octets[i]);
    std::printf("\n");
  }
}
