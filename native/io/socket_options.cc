#include "io/socket_options.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace quicproxy {

bool setOption(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

bool neverFragment(int fd, int family) {
  return family == AF_INET ? setOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
                           : setOption(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
}

bool setHopLimit(int fd, int family, uint8_t hopLimit) {
  return family == AF_INET ? setOption(fd, IPPROTO_IP, IP_TTL, hopLimit)
                           : setOption(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, hopLimit);
}

bool receiveTrafficClass(int fd, int family) {
  return family == AF_INET ? setOption(fd, IPPROTO_IP, IP_RECVTOS, 1) : setOption(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
}

bool tellQueueDrops(int fd, int family) {
  return family == AF_INET ? setOption(fd, IPPROTO_IP, IP_RECVERR, 1) : setOption(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
}

void preferLastingSource(int fd, int family) {
  // IPV6_PREFER_SRC_PUBLIC of linux/in6.h, which does not go together with netinet/in.h.
  constexpr int kPreferPublic = 2;
  if (family == AF_INET6) setOption(fd, IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, kPreferPublic);
}

bool takeNothing(int fd) {
  sock_filter dropAll[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  const sock_fprog filter{1, dropAll};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
}

}  // namespace quicproxy
