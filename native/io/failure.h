#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace quicproxy {

enum class FailureCode : uint8_t {
  kContractInvalid,
  kContractStale,
  kNeedsRestart,
  kWorkersNeedRestart,  ///< only because of what was before: a proxy that starts anew can have so many
  kListenPortBusy,
  kListenPortDenied,
  kListenAddressNotLocal,
  kListenFailed,
  kNoMemory,
  kOpenFileLimit,
  kThreadFailed,
  kStopped,
};

/// Why the control side refused. Never made on the packet path.
struct Failure {
  FailureCode code;
  std::string detail;
  int systemError = 0;  ///< errno, 0 when no system call failed
  int endpoint = -1;    ///< index in the contract's endpoints, -1 when none is concerned
};

/// Name that the TypeScript error catalogue knows.
const char* failureName(FailureCode code);

}  // namespace quicproxy
