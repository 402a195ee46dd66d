#include "io/failure.h"

namespace quicproxy {

const char* failureName(FailureCode code) {
  switch (code) {
    case FailureCode::kContractInvalid:
      return "CONTRACT_INVALID";
    case FailureCode::kContractStale:
      return "CONTRACT_STALE";
    case FailureCode::kNeedsRestart:
      return "NEEDS_RESTART";
    case FailureCode::kWorkersNeedRestart:
      return "WORKERS_NEED_RESTART";
    case FailureCode::kListenPortBusy:
      return "LISTEN_PORT_BUSY";
    case FailureCode::kListenPortDenied:
      return "LISTEN_PORT_DENIED";
    case FailureCode::kListenAddressNotLocal:
      return "LISTEN_ADDRESS_NOT_LOCAL";
    case FailureCode::kListenFailed:
      return "LISTEN_FAILED";
    case FailureCode::kNoMemory:
      return "NO_MEMORY";
    case FailureCode::kOpenFileLimit:
      return "OPEN_FILE_LIMIT";
    case FailureCode::kThreadFailed:
      return "THREAD_FAILED";
    case FailureCode::kStopped:
      return "STOPPED";
  }
  return "UNKNOWN";
}

}  // namespace quicproxy
