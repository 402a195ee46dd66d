#include "host/network_namespace.h"

#include <sched.h>
#include <unistd.h>

#include <cerrno>

namespace quicproxy::host {

std::optional<Refusal> enterNetworkNamespace(int namespaceFile) {
  if (gettid() != getpid()) return Refusal{"setns", EPERM};
  if (setns(namespaceFile, CLONE_NEWNET) != 0) return Refusal{"setns", errno};
  return std::nullopt;
}

}  // namespace quicproxy::host
