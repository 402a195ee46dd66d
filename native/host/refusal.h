#pragma once

namespace quicproxy::host {

/// A system call that the kernel refused.
struct Refusal {
  const char* call;  ///< its name, as errors show it
  int systemError;   ///< errno
};

}  // namespace quicproxy::host
