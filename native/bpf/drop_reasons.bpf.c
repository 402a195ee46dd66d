/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Counts why the kernel drops UDP datagrams of the watched network namespaces, by port, socket and interface. Runs only
 * when something is freed that was not delivered (tracepoint skb:kfree_skb), or when a socket's queue refuses a
 * datagram (udp:udp_fail_queue_rcv_skb, for kernels without reasons). Changes nothing and can drop nothing.
 *
 * Two pointers are not what the kernel's types say:
 * - rx_sk may be NULL. The verifier of 6.11 to 6.13 takes it for a socket that is always there, removes a test for NULL
 * that it sees, and lets the program read without a net (kernel commit 5da7e15fb5a1): it is cast to a pointer of which
 * the verifier knows nothing (bpf_rdonly_cast, 6.2 and newer), and which is read like any address that may be wrong.
 * - skb->dev shares its place with UDP's own notes (dev_scratch) while a datagram is in a socket's queue, and with a
 *   branch of a tree while a fragment waits: it is looked at only where it is an address of the kernel. A branch read
 * as a device gives a namespace that nobody watches.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
/**/
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "drop_reasons.h"
#include "kernel_types.h"

#define AF_INET6 10
#define IPV6_FRAGMENT_HEADER 44

const volatile struct drop_tracepoints tracepoints = {};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, QP_DROP_KEYS);
  __type(key, struct drop_key);
  __type(value, struct drop_count);
} counts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct drop_totals);
} totals SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, QP_DROP_PORTS);
  __type(key, __u16);
  __type(value, __u8);
} watched_ports SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, QP_DROP_NAMESPACES);
  __type(key, __u32);
  __type(value, __u8);
} watched_namespaces SEC(".maps");

enum parsed { NOT_UDP, UDP, NO_IP, UNREADABLE };

static __always_inline int is_watched(__u32 netns) {
  return netns != 0 && bpf_map_lookup_elem(&watched_namespaces, &netns) != 0;
}

/* An address of the kernel has its highest bit set; UDP's notes in its place never have. */
static __always_inline int is_device(const struct net_device* device) { return (__s64)(unsigned long)device < 0; }

/* Of any pointer into the kernel a pointer that faults on nothing, and that the verifier takes for one that may be
 * NULL. */
extern void* bpf_rdonly_cast(void* object, __u32 type) __ksym __weak;

static __always_inline void set_port(struct drop_key* key, __u16 port) {
  if (bpf_map_lookup_elem(&watched_ports, &port)) key->port = port;
}

/* Where the IP header begins, from skb->head. The driver's own frames have no network header yet. */
static __always_inline __u32 network_offset(const struct sk_buff* skb) {
  const __u32 offset = skb->network_header;
  return offset != 0 ? offset : (__u32)(skb->data - skb->head);
}

static __always_inline int read_linear(const struct sk_buff* skb, __u32 offset, void* to, __u32 octets) {
  if (offset + octets > skb->tail) return -1;
  return (int)bpf_probe_read_kernel(to, octets, skb->head + offset);
}

static __always_inline enum parsed parse_ports(const struct sk_buff* skb, __u32 offset, struct drop_key* key) {
  __be16 ports[2];
  if (read_linear(skb, offset, ports, sizeof ports) != 0) return UNREADABLE;
  set_port(key, bpf_ntohs(ports[key->direction == QP_DROP_OUT ? 0 : 1]));
  return UDP;
}

static __always_inline enum parsed parse_ip4(const struct sk_buff* skb, __u32 offset, struct drop_key* key) {
  /* Nearly always the ports stand at once behind it. */
  __be16 words[12];
  const __u8* header = (const __u8*)words;
  const int has_ports = read_linear(skb, offset, words, sizeof words) == 0;
  if (!has_ports && read_linear(skb, offset, words, 20) != 0) return UNREADABLE;
  if (header[9] != IPPROTO_UDP) return NOT_UDP;
  key->is_fragment = ((header[6] & 0x1f) | header[7]) != 0;
  if (key->is_fragment) return UDP;
  if ((header[0] & 0xf) != 5 || !has_ports) return parse_ports(skb, offset + (header[0] & 0xf) * 4u, key);
  set_port(key, bpf_ntohs(words[key->direction == QP_DROP_OUT ? 10 : 11]));
  return UDP;
}

/* Of extension headers it looks behind that of a fragment alone. */
static __always_inline enum parsed parse_ip6(const struct sk_buff* skb, __u32 offset, struct drop_key* key) {
  __u8 header[8];
  if (read_linear(skb, offset, header, sizeof header) != 0) return UNREADABLE;
  const __u8 next = header[6];
  offset += 40;
  if (next == IPPROTO_UDP) return parse_ports(skb, offset, key);
  if (next != IPV6_FRAGMENT_HEADER) return NOT_UDP;
  if (read_linear(skb, offset, header, sizeof header) != 0) return UNREADABLE;
  if (header[0] != IPPROTO_UDP) return NOT_UDP;
  key->is_fragment = (header[2] | (header[3] & 0xf8)) != 0;
  return key->is_fragment ? UDP : parse_ports(skb, offset + 8, key);
}

static __always_inline __u8 family_of(const struct sk_buff* skb) {
  const __be16 protocol = skb->protocol;
  return protocol == bpf_htons(ETH_P_IP) ? 4 : protocol == bpf_htons(ETH_P_IPV6) ? 6 : 0;
}

static __always_inline enum parsed parse(const struct sk_buff* skb, struct drop_key* key) {
  const __u32 offset = network_offset(skb);
  if (key->family == 4) return parse_ip4(skb, offset, key);
  return key->family == 6 ? parse_ip6(skb, offset, key) : NO_IP;
}

static __always_inline __u64 datagrams_of(const struct sk_buff* skb) {
  const struct skb_shared_info* shared = (const void*)(skb->head + skb->end);
  const __u16 segments = BPF_CORE_READ(shared, gso_segs);
  return segments > 1 ? segments : 1;
}

static __always_inline void add(const struct drop_key* key, struct drop_totals* total, __u64 datagrams, __u64 octets) {
  const struct drop_count first = {.skbs = 1, .datagrams = datagrams, .octets = octets};
  struct drop_count* count = bpf_map_lookup_elem(&counts, key);
  if (!count) {
    if (bpf_map_update_elem(&counts, key, &first, BPF_NOEXIST) == 0) return;
    count = bpf_map_lookup_elem(&counts, key);
  }
  if (!count) {
    __sync_fetch_and_add(&total->lost, datagrams);
    return;
  }
  /* Kernels before 6.1 let an interrupt run the program amid itself. */
  __sync_fetch_and_add(&count->skbs, 1);
  __sync_fetch_and_add(&count->datagrams, datagrams);
  __sync_fetch_and_add(&count->octets, octets);
}

static __always_inline struct drop_totals* begin(void) {
  const __u32 zero = 0;
  struct drop_totals* total = bpf_map_lookup_elem(&totals, &zero);
  if (total) __sync_fetch_and_add(&total->events, 1);
  return total;
}

static __always_inline void set_sender(const struct sock* sender, struct drop_key* key) {
  const __u32 netns = sender->__sk_common.skc_net.net->ns.inum;
  if (key->netns == 0) key->netns = netns;
  if (key->netns != netns) return;
  key->cookie = (__u64)sender->__sk_common.skc_cookie.counter;
  key->direction = QP_DROP_OUT;
}

/*
 * In whose namespace it was dropped: that of the socket that was to have it, else of the device where it is (a datagram
 * that came over a veth pair may still carry its sender's socket), else of the socket that sent it.
 */
static __always_inline void set_place(const struct sk_buff* skb, const struct sock* receiver, struct drop_key* key) {
  if (receiver) {
    key->netns = receiver->__sk_common.skc_net.net->ns.inum;
    key->cookie = (__u64)receiver->__sk_common.skc_cookie.counter;
    key->ifindex = (__u32)skb->skb_iif;
    return;
  }
  const struct net_device* device = skb->dev;
  if (is_device(device)) {
    key->netns = device->nd_net.net->ns.inum;
    key->ifindex = (__u32)device->ifindex;
  } else {
    key->ifindex = (__u32)skb->skb_iif;
  }
  const struct sock* sender = skb->sk;
  if (sender) {
    set_sender(sender, key);
  } else if (key->netns == 0 && bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_UDP_CSUM) &&
             key->reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_UDP_CSUM)) {
    /* A checksum that is looked at when the datagram is read: this is the thread that reads. */
    const struct task_struct* reader = (const void*)bpf_get_current_task();
    key->netns = BPF_CORE_READ(reader, nsproxy, net_ns, ns.inum);
  }
}

/* Whether it is a queue's refusal, which the other program counts where this one cannot tell the socket. */
static __always_inline int is_left_to_failures(__u32 reason) {
  if (!tracepoints.failures_beside) return 0;
  if (bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_SOCKET_RCVBUFF) &&
      reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_SOCKET_RCVBUFF)) {
    return 1;
  }
  return bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_PROTO_MEM) &&
         reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_PROTO_MEM);
}

/* kfree_skb(skb, location, reason[, rx_sk]) */
SEC("tp_btf/kfree_skb")
int drop_reasons(__u64* arguments) {
  struct drop_totals* total = begin();
  if (!total) return 0;
  const struct sk_buff* skb = (const struct sk_buff*)arguments[0];
  struct drop_key key = {.reason = (__u32)arguments[2], .kind = QP_DROP_REASON, .family = family_of(skb)};
  const struct sock* receiver = 0;
  if (is_left_to_failures(key.reason)) return 0;
  if (tracepoints.has_receive_socket) {
    receiver = bpf_rdonly_cast((void*)arguments[3], bpf_core_type_id_kernel(struct sock));
  }
  set_place(skb, receiver, &key);
  if (!is_watched(key.netns)) return 0;
  const enum parsed parsed = parse(skb, &key);
  if (parsed == NOT_UDP) return 0;
  if (parsed == UNREADABLE) {
    __sync_fetch_and_add(&total->unreadable, 1);
    return 0;
  }
  add(&key, total, datagrams_of(skb), skb->len);
  return 0;
}

/* udp_fail_queue_rcv_skb(rc, sk[, skb]) */
SEC("tp_btf/udp_fail_queue_rcv_skb")
int queue_failures(__u64* arguments) {
  struct drop_totals* total = begin();
  if (!total) return 0;
  const struct sock* socket = (const struct sock*)arguments[1];
  struct drop_key key = {.kind = QP_DROP_ERRNO, .reason = -(__u32)arguments[0]};
  key.netns = socket->__sk_common.skc_net.net->ns.inum;
  if (!is_watched(key.netns)) return 0;
  key.cookie = (__u64)socket->__sk_common.skc_cookie.counter;
  key.family = socket->__sk_common.skc_family == AF_INET6 ? 6 : 4;
  set_port(&key, socket->__sk_common.skc_num);
  __u64 datagrams = 1;
  __u64 octets = 0;
  if (tracepoints.failure_has_skb) {
    const struct sk_buff* skb = (const struct sk_buff*)arguments[2];
    if (skb->protocol == bpf_htons(ETH_P_IP)) key.family = 4;
    key.ifindex = (__u32)skb->skb_iif;
    datagrams = datagrams_of(skb);
    octets = skb->len;
  }
  add(&key, total, datagrams, octets);
  return 0;
}

/* The kernel keeps bpf_probe_read_kernel for programs of its own licence; these files may be used under either. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
