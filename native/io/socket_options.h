#pragma once

#include <cstdint>

namespace quicproxy {

// Each is false with errno set when the kernel refuses.

/// setsockopt of a number.
bool setOption(int fd, int level, int name, int value);

/// No fragments, and no path MTU of the kernel's own: datagrams too big for the interface are refused, what routers
/// said about the path is the endpoints' matter (RFC 9000 section 14).
bool neverFragment(int fd, int family);

/// Hop limit of what is sent without naming one.
bool setHopLimit(int fd, int family, uint8_t hopLimit);

/// Makes a socket tell DSCP and ECN of every datagram: a proxy that drops ECN marks hides congestion from both ends.
bool receiveTrafficClass(int fd, int family);

/// Makes a send call say that a device's queue was full (ENOBUFS), which the kernel otherwise keeps to itself
/// (ip_send_skb, raw_send_hdrinc, udp_v6_send_skb, rawv6_send_hdrinc). With it ICMP errors come to the socket they are
/// about: as the error of its next call, whatever that is, and into its error queue (io/error_queue.h).
bool tellQueueDrops(int fd, int family);

/// Has the kernel pick a source that stays: by RFC 6724 rule 7 it would rather take a temporary IPv6 address (RFC
/// 8981), which is gone after a day. IPv4 has none.
void preferLastingSource(int fd, int family);

/// For a socket that is there for its port: whatever is sent to it is dropped.
bool takeNothing(int fd);

}  // namespace quicproxy
