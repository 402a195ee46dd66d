/* A UDP path as BPF programs and C++ hash and compare it: as octets. */
#pragma once

#include <linux/types.h>

/*
 * Both ends of a UDP path as this host sees it, in network order, IPv4 as IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2),
 * so that one layout serves both families and equal octets mean equal paths. Toward clients `remote` is the client,
 * toward backends the backend.
 */
struct udp_path {
  __u8 remote[16];
  __u8 local[16];
  __be16 remote_port;
  __be16 local_port;
};
