#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "io/file_descriptor.h"
#include "receive/receive_ring.h"

namespace quicproxy {

/// Numbered datagrams from one end to the other, in order and without loss.
class DatagramPipe {
 public:
  DatagramPipe() {
    std::array<int, 2> ends{-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends.data()), 0);
    in_ = FileDescriptor(ends[0]);
    out_ = FileDescriptor(ends[1]);
  }

  [[nodiscard]] int fd() const { return out_.get(); }
  [[nodiscard]] bool send(uint32_t number) const {
    return ::send(in_.get(), &number, sizeof number, 0) == static_cast<ssize_t>(sizeof number);
  }

 private:
  FileDescriptor in_;
  FileDescriptor out_;
};

inline uint32_t numberOf(const Received& message) {
  uint32_t number = 0;
  EXPECT_EQ(message.payload.size(), sizeof number);
  if (message.payload.size() == sizeof number) std::memcpy(&number, message.payload.data(), sizeof number);
  return number;
}

}  // namespace quicproxy
