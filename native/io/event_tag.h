#pragma once

#include <sys/epoll.h>

#include <cstdint>

namespace quicproxy {

/// What an epoll event is about, packed into its 64 bits of user data. The epoch tells an event that was queued for a
/// flow which has ended since.
struct EventTag {
  enum class Kind : uint8_t { kWake, kListen, kUpstream };

  Kind kind;
  uint8_t epoch;   ///< of the flow
  uint32_t index;  ///< endpoint slot or flow

  [[nodiscard]] uint64_t pack() const {
    return uint64_t{index} | uint64_t{epoch} << 32 | uint64_t{static_cast<uint8_t>(kind)} << 40;
  }
  static EventTag unpack(uint64_t value) {
    return {static_cast<Kind>(static_cast<uint8_t>(value >> 40)), static_cast<uint8_t>(value >> 32),
            static_cast<uint32_t>(value)};
  }
};

/// Has an epoll set tell when there is something to read. False with errno set when the kernel refuses.
inline bool announceReads(int epollFd, int fd, EventTag tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag.pack();
  return epoll_ctl(epollFd, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace quicproxy
