/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What drop_reasons.bpf.c reads of the kernel, and no more. Where each field is, and which number a reason has, is
 * decided when the program is loaded, by the running kernel's BTF (CO-RE): order and values here mean nothing.
 */
#pragma once

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
  unsigned int inum;
};

struct net {
  struct ns_common ns;
};

typedef struct {
  struct net* net;
} possible_net_t;

typedef struct {
  __s64 counter;
} atomic64_t;

struct sock_common {
  unsigned short skc_family;
  __u16 skc_num;
  possible_net_t skc_net;
  atomic64_t skc_cookie;
};

struct sock {
  struct sock_common __sk_common;
};

struct net_device {
  int ifindex;
  possible_net_t nd_net;
};

struct nsproxy {
  struct net* net_ns;
};

struct task_struct {
  struct nsproxy* nsproxy;
};

struct skb_shared_info {
  unsigned short gso_segs;
};

struct sk_buff {
  struct net_device* dev;
  struct sock* sk;
  unsigned int len;
  __be16 protocol;
  __u16 network_header;
  int skb_iif;
  unsigned int tail;
  unsigned int end;
  unsigned char* head;
  unsigned char* data;
};

#pragma clang attribute pop

enum skb_drop_reason {
  SKB_DROP_REASON_SOCKET_RCVBUFF = 0x7001,
  SKB_DROP_REASON_PROTO_MEM = 0x7002,
  SKB_DROP_REASON_UDP_CSUM = 0x7003,
};
