#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "route/quic_lb_routing.h"

namespace {

using quicproxy::QuicLbConfig;
using quicproxy::QuicLbRouting;
using quicproxy::ServerId;
using quicproxy::ServerIds;

void require(bool holds) {
  if (!holds) std::abort();
}

/// Whatever is encoded decodes to the same server ID, also with octets of the server's own behind it.
void checkRoundTrip(const QuicLbConfig& config, std::span<const uint8_t> octets) {
  ServerId server;
  server.length = config.serverIdLength();
  std::vector<uint8_t> nonce(config.nonceLength());
  for (size_t i = 0; i < server.length && i < octets.size(); i++) server.octets[i] = octets[i];
  for (size_t i = 0; i < nonce.size() && server.length + i < octets.size(); i++) nonce[i] = octets[server.length + i];
  const auto encoded = config.encode(server, nonce, 0x1f);
  const std::vector<uint8_t> exact(encoded.begin(), encoded.begin() + static_cast<ptrdiff_t>(config.cidLength()));
  require(config.decode(exact) == server);
  std::vector<uint8_t> longer = exact;
  longer.insert(longer.end(), octets.begin(), octets.end());
  require(config.decode(longer) == server);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

/// Two octets of lengths, one that says whether there is a key, the key, then a Connection ID.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 19) return 0;
  const auto serverIdLength = static_cast<uint8_t>(1 + data[0] % 15);
  const auto nonceLength = static_cast<uint8_t>(4 + data[1] % (16 - serverIdLength));
  const QuicLbConfig config(serverIdLength, nonceLength, data[2] % 2 == 0 ? nullptr : data + 3);
  const std::span<const uint8_t> cid(data + 19, size - 19);
  checkRoundTrip(config, cid);

  QuicLbRouting routing;
  std::vector<std::pair<ServerId, uint16_t>> servers;
  if (cid.size() >= config.cidLength()) servers.emplace_back(config.decode(cid), 7);
  routing.add(static_cast<uint8_t>(data[2] % 7), config, ServerIds(servers, {7, 8}));
  const QuicLbRouting::Result result = routing.route(cid);
  using Outcome = QuicLbRouting::Outcome;
  require(result.outcome != Outcome::kOff && result.outcome != Outcome::kUnknownServer);
  if (cid.empty()) require(result.outcome == Outcome::kTooShort);
  const bool named = !cid.empty() && cid[0] >> 5 == data[2] % 7;
  require((result.outcome == Outcome::kRouted) == (named && cid.size() >= config.cidLength()));
  if (result.outcome == Outcome::kRouted) require(result.backendSlot == 7 && result.cidLength == config.cidLength());
  return 0;
}
