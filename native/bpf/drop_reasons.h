/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Maps of drop_reasons.bpf.c, as C for the BPF compiler and for C++. */
#pragma once

#include <linux/types.h>

/* C knows no constexpr and no base types of enums. NOLINTBEGIN(modernize-macro-to-enum, performance-enum-size) */

/* Of keys; a key is 32 octets, and each CPU has 24 octets of counts for it, all taken when the program is loaded. */
#define QP_DROP_KEYS 2048
#define QP_DROP_PORTS 4096
#define QP_DROP_NAMESPACES 64

/* What the number in drop_key.reason is. */
enum drop_reason_kind {
  QP_DROP_REASON, /* of the running kernel's enum skb_drop_reason, the subsystem in the upper 16 bits */
  QP_DROP_ERRNO,  /* why a socket's queue refused it: ENOMEM or ENOBUFS */
};

/* Which way it went, and thereby which of its ports is drop_key.port. */
enum drop_direction {
  QP_DROP_IN,  /* to this host or through it: its destination */
  QP_DROP_OUT, /* from a socket of this host: its source */
};

/* Padding is there by name: a key is compared octet by octet. */
struct drop_key {
  __u64 cookie;     /* of the socket; 0: none, or nobody has asked the kernel for it yet */
  __u32 netns;      /* inode number of the network namespace */
  __u32 reason;     /* raw, as the kernel numbers it */
  __u32 ifindex;    /* 0: not known */
  __u16 port;       /* in host order; 0: none that is watched, or a fragment */
  __u8 family;      /* 4, 6; 0: no IP, and nobody's datagram */
  __u8 kind;        /* enum drop_reason_kind */
  __u8 direction;   /* enum drop_direction */
  __u8 is_fragment; /* not the first of its datagram: it has no ports */
  __u8 reserved[6];
};

struct drop_count {
  __u64 skbs;
  __u64 datagrams; /* what receive or send offload had merged into one skb, each */
  __u64 octets;
};

/* One of these for each CPU. */
struct drop_totals {
  __u64 events;     /* every run of a program, whatever was freed */
  __u64 lost;       /* dropped datagrams for which there was no key left */
  __u64 unreadable; /* headers that do not lie in the linear part of the skb, or are cut off */
};

/* Constants that user space sets before the programs are loaded: what this kernel's tracepoints have. */
struct drop_tracepoints {
  __u8 has_receive_socket; /* kfree_skb has rx_sk (6.11 and newer) */
  __u8 failure_has_skb;    /* udp_fail_queue_rcv_skb has skb */
  __u8 failures_beside;    /* both programs run: what a full queue refuses, the other one counts */
  __u8 reserved;
};

/* NOLINTEND(modernize-macro-to-enum, performance-enum-size) */
