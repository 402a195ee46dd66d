import type { Scene } from "../scene.ts";
import { PORT, WIRE } from "../stage/stage.ts";

/** What IP takes and does not give to UDP. */
const EATEN = { "ip4.InReceives": 500 };
const UNSEEN_BY_UDP = ["udp4.InErrors", "udp4.NoPorts", "udp4.InDatagrams"];

export const reversePathFilter: Scene = {
  fault: "rp_filter",
  handOff: "3",
  verdict: "reverse-path-filter",
  remedy: /rp_filter/,
  reason: "IP_RPFILTER",
  exitCode: 1,
  moves: { ...EATEN, "tcpExt.IPReversePathFilter": 500 },
  still: UNSEEN_BY_UDP,
  reach: "namespace",
  play: async (stage) => {
    stage.onHost("sh", "-c", `echo 1 >/proc/sys/net/ipv4/conf/${WIRE}/rp_filter`);
    await stage.receive();
    await stage.sendRaw({ source: "198.51.100.7" });
  },
};

export const fragments: Scene = {
  fault: "fragments without the rest",
  handOff: "3",
  verdict: "fragments-lost",
  remedy: /MTU/i,
  exitCode: 1,
  moves: { ...EATEN, "ip4.ReasmReqds": 500 },
  still: [...UNSEEN_BY_UDP, "ip4.ReasmOKs"],
  reach: "namespace",
  play: async (stage) => {
    await stage.receive();
    await stage.sendRaw({ "first-fragment": true });
  },
};

/** For `nft`: a chain of IP input with one rule. */
export const inputRule = (rule: string): string => `add table inet fault
add chain inet fault input { type filter hook input priority 0 ; }
add rule inet fault input ${rule}`;

export const nftDrop: Scene = {
  fault: "nft drop",
  handOff: "3n",
  verdict: "filter-rule",
  remedy: /nft list ruleset/,
  reason: "NETFILTER_DROP",
  exitCode: 1,
  moves: EATEN,
  still: UNSEEN_BY_UDP,
  reach: "namespace",
  play: async (stage) => {
    stage.onHost("nft", inputRule(`udp dport ${PORT} counter drop`));
    await stage.receive();
    await stage.send();
  },
};

/** Far more than other namespaces of the machine have at the same time: the limit is the machine's, the count is not. */
const CONNTRACK_MAX = 2000;

export const conntrackFull: Scene = {
  fault: "conntrack full",
  handOff: "3n",
  verdict: "conntrack-full",
  remedy: /nf_conntrack_max/,
  reason: "NETFILTER_DROP",
  exitCode: 1,
  moves: { ...EATEN, "conntrack.drop": 500 },
  reach: "machine",
  play: async (stage) => {
    stage.onHost("nft", inputRule("ct state invalid drop"));
    await stage.change("/proc/sys/net/netfilter/nf_conntrack_max", `${CONNTRACK_MAX}`);
    await stage.receive();
    await stage.sendRaw({ "new-ports": true, rate: 6000, size: 100 });
  },
};

export const tcIngress: Scene = {
  fault: "tc rule at the ingress",
  handOff: "3",
  verdict: "tc-rule",
  remedy: /tc /,
  reason: "TC_INGRESS",
  exitCode: 1,
  moves: { "qdiscs.drops": 500 },
  still: UNSEEN_BY_UDP,
  reach: "namespace",
  play: async (stage) => {
    stage.onHost("tc", "qdisc", "add", "dev", WIRE, "clsact");
    const bpf = ["bpf", "direct-action", "object-file", stage.bpf(), "section", "tc"];
    stage.onHost("tc", "filter", "add", "dev", WIRE, "ingress", ...bpf);
    await stage.receive();
    await stage.send();
  },
};

export const nativeXdp: Scene = {
  fault: "native XDP drop",
  handOff: "1x",
  verdict: "native-xdp",
  remedy: /xdp off/,
  exitCode: 1,
  moves: { "drivers.rx_queue_0_xdp_drops": 500 },
  still: ["ip4.InReceives", ...UNSEEN_BY_UDP],
  reach: "namespace",
  play: async (stage) => {
    stage.ipOnHost(`link set dev ${WIRE} xdpdrv object ${stage.bpf()} section xdp`);
    await stage.receive();
    await stage.send();
  },
};

export const genericXdp: Scene = {
  fault: "generic XDP drop",
  handOff: "3",
  verdict: "generic-xdp",
  remedy: /xdpgeneric off/,
  exitCode: 2,
  moves: { "links.rx_packets": 500 },
  still: ["ip4.InReceives", ...UNSEEN_BY_UDP],
  reach: "namespace",
  play: async (stage) => {
    stage.ipOnHost(`link set dev ${WIRE} xdpgeneric object ${stage.bpf()} section xdp`);
    await stage.receive();
    await stage.send();
  },
};
