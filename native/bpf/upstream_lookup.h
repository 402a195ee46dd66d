/* Maps of upstream_lookup.bpf.c, as C for the BPF compiler and for C++. */
#pragma once

#include <linux/types.h>

/* NOLINTBEGIN(performance-enum-size): C knows no base type. */
enum {
  QP_UPSTREAM_PORTS = 65536,
  /* Workers and address families; see upstream_socket_index. */
  QP_UPSTREAM_SOCKETS = 512,
  /* One more backend than a snapshot can hold may be there while snapshots change over, and each twice its number. */
  QP_UPSTREAM_BACKENDS = 32768,
};
/* NOLINTEND(performance-enum-size) */

/* By local port in host order: 0 for a port that is not ours, else the worker's number plus one. Mapped into the
 * process, which claims and releases ports by plain stores. */
struct upstream_ports {
  __u8 owner[QP_UPSTREAM_PORTS];
};

/* A backend as the sender of a reply: IPv4 as IPv4-mapped IPv6, both fields in network order. */
struct upstream_backend {
  __u8 address[16];
  __be16 port;
  __u16 reserved;
};

/* Where in the socket map a worker's catching socket of a family is. */
static inline __u32 upstream_socket_index(__u32 worker, int is_ipv6) { return worker * 2 + (is_ipv6 ? 1 : 0); }
