#pragma once

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "io/file_descriptor.h"

namespace quicproxy::soak {

/// Moves the process into a network namespace where there is nothing but a loopback interface, before any thread runs.
/// Returns why not; the process then stays where it was.
inline std::string takeOwnNetwork() {
  if (unshare(CLONE_NEWNET) != 0) return std::strerror(errno);
  const FileDescriptor fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0 ? "" : std::strerror(errno);
}

}  // namespace quicproxy::soak
