/*
 * SK_REUSEPORT: which worker's socket of one listening address gets a datagram, or a train by its first one. A path
 * that was kept for a worker goes there, a Connection ID that a worker learned leads to that worker, and everything
 * else is left to the kernel's hash of the 4-tuple. Never drops: SK_DROP would answer with ICMP.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
/**/
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "../wire/path.h"
#include "steer.h"

/* RFC 8999 section 5.1: flags, version, length of the DCID. */
#define LONG_HEADER 0x80
#define DCID_LENGTH_AT 5
#define LONG_DCID_AT 6
#define SHORT_DCID_AT 1

struct {
  __uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
  __uint(max_entries, QP_STEER_WORKERS);
  __type(key, __u32);
  __type(value, __u64);
} sockets SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, QP_STEER_CIDS);
  __type(key, struct steer_cid);
  __type(value, __u32);
} cids SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, QP_STEER_PATHS);
  __type(key, struct udp_path);
  __type(value, __u32);
} paths SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct steer_settings);
} settings SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, QP_STEER_OUTCOMES);
  __type(key, __u32);
  __type(value, __u64);
} outcomes SEC(".maps");

static __always_inline int pass(__u32 outcome) {
  __u64* count = bpf_map_lookup_elem(&outcomes, &outcome);
  if (count) (*count)++;
  return SK_PASS;
}

/* A worker that has gone has no socket: the kernel's hash finds another. */
static __always_inline int steer(struct sk_reuseport_md* ctx, __u32 worker, __u32 outcome) {
  if (bpf_sk_select_reuseport(ctx, &sockets, &worker, 0)) return pass(QP_STEER_NO_SOCKET);
  return pass(outcome);
}

static __always_inline int read_path(struct sk_reuseport_md* ctx, struct udp_path* path) {
  __u32* client = (__u32*)path->remote;
  __u32* local = (__u32*)path->local;
  if (bpf_skb_load_bytes(ctx, 0, &path->remote_port, sizeof path->remote_port + sizeof path->local_port)) return -1;
  if (ctx->eth_protocol == bpf_htons(ETH_P_IP)) {
    client[2] = bpf_htonl(0xffff);
    local[2] = bpf_htonl(0xffff);
    const __u32 source = offsetof(struct iphdr, saddr);
    const __u32 destination = offsetof(struct iphdr, daddr);
    return bpf_skb_load_bytes_relative(ctx, source, &client[3], 4, BPF_HDR_START_NET) ||
                   bpf_skb_load_bytes_relative(ctx, destination, &local[3], 4, BPF_HDR_START_NET)
               ? -1
               : 0;
  }
  const __u32 source = offsetof(struct ipv6hdr, saddr);
  return bpf_skb_load_bytes_relative(ctx, source, path->remote, sizeof path->remote + sizeof path->local,
                                     BPF_HDR_START_NET)
             ? -1
             : 0;
}

static __always_inline const __u32* find_cid(struct sk_reuseport_md* ctx, __u32 at, __u32 length) {
  struct steer_cid cid = {};
  if (length < 1 || length > QP_STEER_CID_BYTES) return 0;
  cid.length = length;
  if (bpf_skb_load_bytes(ctx, sizeof(struct udphdr) + at, cid.octets, length)) return 0;
  return bpf_map_lookup_elem(&cids, &cid);
}

/*
 * A short header does not tell the length: the longest that fits is tried first, as the workers do. Unrolled: without
 * CAP_PERFMON the verifier follows speculated branches too, and the end of a loop that it may mispredict never comes.
 */
static __always_inline const __u32* find_short(struct sk_reuseport_md* ctx, const struct steer_settings* known) {
#pragma unroll
  for (__u32 i = 0; i < QP_STEER_LENGTHS; i++) {
    const __u32* worker = find_cid(ctx, SHORT_DCID_AT, known->cid_lengths[i]);
    if (worker) return worker;
  }
  return 0;
}

SEC("sk_reuseport")
int steer_datagram(struct sk_reuseport_md* ctx) {
  const __u32 zero = 0;
  const struct steer_settings* known = bpf_map_lookup_elem(&settings, &zero);
  if (!known) return pass(QP_STEER_UNREADABLE);
  if (known->paths_in_use) {
    struct udp_path path = {};
    if (read_path(ctx, &path)) return pass(QP_STEER_UNREADABLE);
    const __u32* worker = bpf_map_lookup_elem(&paths, &path);
    if (worker) return steer(ctx, *worker, QP_STEER_BY_PATH);
  }
  __u8 first[LONG_DCID_AT] = {};
  const __u32 payload = ctx->len - sizeof(struct udphdr);
  if (ctx->len <= sizeof(struct udphdr) || bpf_skb_load_bytes(ctx, sizeof(struct udphdr), first, 1)) {
    return pass(QP_STEER_UNREADABLE);
  }
  const __u32* worker = 0;
  if (!(first[0] & LONG_HEADER)) {
    worker = find_short(ctx, known);
  } else {
    if (payload < sizeof first || bpf_skb_load_bytes(ctx, sizeof(struct udphdr), first, sizeof first)) {
      return pass(QP_STEER_UNREADABLE);
    }
    worker = find_cid(ctx, LONG_DCID_AT, first[DCID_LENGTH_AT]);
  }
  if (worker) return steer(ctx, *worker, QP_STEER_BY_CID);
  return pass(QP_STEER_UNKNOWN);
}

/* No helper used here is kept for GPL programs. */
char LICENSE[] SEC("license") = "Apache-2.0";
