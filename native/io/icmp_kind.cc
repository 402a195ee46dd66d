#include "io/icmp_kind.h"

#include <linux/icmp.h>
#include <netinet/icmp6.h>

namespace quicproxy {

IcmpKind icmpKindOf(bool v6, uint8_t type, uint8_t code) {
  if (v6 && type == ICMP6_PACKET_TOO_BIG) return IcmpKind::kTooBig;
  if (type != (v6 ? ICMP6_DST_UNREACH : ICMP_DEST_UNREACH)) return IcmpKind::kOther;
  return !v6 && code == ICMP_FRAG_NEEDED ? IcmpKind::kTooBig : IcmpKind::kUnreachable;
}

}  // namespace quicproxy
