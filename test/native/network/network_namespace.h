#pragma once

#include <sched.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

namespace quicproxy {

/// Runs something on a thread with a network namespace of its own, which ends with it. False where that is not allowed.
inline bool inNetworkNamespace(const std::function<void()>& act) {
  bool allowed = false;
  std::thread([&] {
    allowed = unshare(CLONE_NEWNET) == 0;
    if (allowed) act();
  }).join();
  return allowed;
}

/// `ip <arguments>`; a child of the calling thread has the thread's namespace.
inline bool ip(const std::string& arguments) { return std::system(("ip " + arguments).c_str()) == 0; }

}  // namespace quicproxy
