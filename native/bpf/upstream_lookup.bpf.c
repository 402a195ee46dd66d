/*
 * SK_LOOKUP: every reply of a backend to a port of ours goes to one socket per worker and address family, whatever the
 * port. Runs before the kernel looks for a socket bound to the port, also for GRO and for the datagram that an ICMP
 * error quotes. Selects nothing for any other datagram and never drops, so that programs of other processes work beside
 * it.
 */
#include <linux/bpf.h>
#include <linux/in.h>
/**/
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "upstream_lookup.h"

#define AF_INET 2

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __uint(map_flags, BPF_F_MMAPABLE);
  __type(key, __u32);
  __type(value, struct upstream_ports);
} ports SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, QP_UPSTREAM_BACKENDS);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct upstream_backend);
  __type(value, __u32);
} backends SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, QP_UPSTREAM_SOCKETS);
  __type(key, __u32);
  __type(value, __u64);
} sockets SEC(".maps");

/*
 * Both families' fields are read, whichever is there (the kernel gives 0 for the other), and read as volatile: the two
 * branches' reads merged into one of a computed address would not pass the verifier.
 */
static __always_inline void sender_of(const volatile struct bpf_sk_lookup* ctx, struct upstream_backend* sender) {
  __u32* words = (__u32*)sender->address;
  const int v4 = ctx->family == AF_INET;
  const __u32 address = ctx->remote_ip4;
  const __u32 last = ctx->remote_ip6[3];
  words[0] = ctx->remote_ip6[0];
  words[1] = ctx->remote_ip6[1];
  words[2] = v4 ? bpf_htonl(0xffff) : ctx->remote_ip6[2];
  words[3] = v4 ? address : last;
  sender->port = ctx->remote_port;
  sender->reserved = 0;
}

SEC("sk_lookup")
int upstream_lookup(struct bpf_sk_lookup* ctx) {
  if (ctx->protocol != IPPROTO_UDP) return SK_PASS;
  __u32 zero = 0;
  const struct upstream_ports* table = bpf_map_lookup_elem(&ports, &zero);
  if (!table) return SK_PASS;
  const __u8 owner = table->owner[ctx->local_port & (QP_UPSTREAM_PORTS - 1)];
  if (owner == 0) return SK_PASS;
  struct upstream_backend sender __attribute__((aligned(4)));
  sender_of(ctx, &sender);
  if (!bpf_map_lookup_elem(&backends, &sender)) return SK_PASS;
  const __u32 index = upstream_socket_index(owner - 1, ctx->family != AF_INET);
  struct bpf_sock* socket = bpf_map_lookup_elem(&sockets, &index);
  if (!socket) return SK_PASS;
  bpf_sk_assign(ctx, socket, 0);
  bpf_sk_release(socket);
  return SK_PASS;
}

/* No helper used here is kept for GPL programs. */
char LICENSE[] SEC("license") = "Apache-2.0";
