/* Drops UDP over IPv4 without options to port 4433, and nothing else: ARP has to pass. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
/**/
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define PORT 4433

struct headers {
  struct ethhdr eth;
  struct iphdr ip;
  struct udphdr udp;
} __attribute__((packed));

static __always_inline int is_ours(const void* data, const void* end) {
  const struct headers* headers = data;
  if ((const void*)(headers + 1) > end) return 0;
  return headers->eth.h_proto == bpf_htons(ETH_P_IP) && headers->ip.protocol == IPPROTO_UDP &&
         headers->udp.dest == bpf_htons(PORT);
}

SEC("xdp")
int drop_in_driver(struct xdp_md* ctx) {
  return is_ours((void*)(long)ctx->data, (void*)(long)ctx->data_end) ? XDP_DROP : XDP_PASS;
}

SEC("tc")
int drop_at_ingress(struct __sk_buff* skb) {
  return is_ours((void*)(long)skb->data, (void*)(long)skb->data_end) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
