/* Drop whatever comes, at two hooks of a device. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
/**/
#include <bpf/bpf_helpers.h>

SEC("xdp")
int drop_frame(struct xdp_md* frame) {
  (void)frame;
  return XDP_DROP;
}

SEC("tc")
int drop_skb(struct __sk_buff* skb) {
  (void)skb;
  return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Apache-2.0";
