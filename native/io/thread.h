#pragma once

#include <pthread.h>

#include <optional>

#include "io/failure.h"

namespace quicproxy {

/// A thread of the packet path. Signals are for the main thread and blocked in it.
class Thread {
 public:
  Thread() = default;
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  ~Thread() { join(); }

  struct Body {
    void (*run)(void* self);
    void* self;
  };
  /// name: at most 15 octets, as the kernel shows it. Fails with kThreadFailed.
  std::optional<Failure> start(const char* name, const Body& body);
  /// Returns at once where none was started.
  void join();

 private:
  Body body_{};
  std::optional<pthread_t> thread_;
};

}  // namespace quicproxy
