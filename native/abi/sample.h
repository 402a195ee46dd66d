#pragma once

#include <cstdint>

namespace quicproxy {

enum class SampleDirection : uint8_t { kForward = 0, kReturn = 1 };
enum class SampleOutcome : uint8_t { kSent = 0, kDropped = 1 };

/// One datagram of a sampled connection, with the time of every stage it went through.
struct Sample {
  uint64_t receivedNs;  ///< CLOCK_REALTIME: comparable between nodes as far as their clocks agree
  uint64_t routedNs;    ///< forward direction only
  uint64_t sentNs;
  uint32_t connection;  ///< keyed hash of the connection's ID, the same on every node that shares the key
  uint32_t bytes;
  uint16_t backendSlot;
  uint16_t clientPort;
  uint8_t worker;
  uint8_t rule;  ///< forward direction: as in route/router.h
  SampleDirection direction;
  SampleOutcome outcome;
  uint8_t clientAddress[16];  ///< IPv4 as IPv4-mapped IPv6
};
static_assert(sizeof(Sample) == 56);

}  // namespace quicproxy
