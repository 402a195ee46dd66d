import { restOf } from "../path/count.ts";
import type { NetfilterMeasure } from "../path/measures.ts";
import { receivedByIp } from "./at_ip.ts";
import type { Found, Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { count, share } from "./words.ts";

const NEARLY_FULL = 0.9;
/** Of a UDP flow that was answered: net.netfilter.nf_conntrack_udp_timeout_stream. */
const TIMEOUT_DEFAULT_SECONDS = 120;

const fill = ({ conntrackMax }: NetfilterMeasure): Record<string, string> =>
  conntrackMax === undefined ? {} : { max: String(conntrackMax * 4) };

const level = ({ conntrackCount, conntrackMax }: NetfilterMeasure): string[] =>
  conntrackCount === undefined || conntrackMax === undefined || conntrackMax === 0
    ? []
    : [
        `${count(conntrackCount)} of ${count(conntrackMax)} entries now (${share(conntrackCount, conntrackMax)}); at ${TIMEOUT_DEFAULT_SECONDS} s for each flow the table holds ${count(conntrackMax / TIMEOUT_DEFAULT_SECONDS)} new flows per second`,
      ];

export const conntrackFull: Verdict = {
  name: "conntrack-full",
  handOff: "3n",
  remedy: [
    "Do not track this port: nft add rule inet raw prerouting udp dport PORT notrack, and the same for replies",
    "Make the table larger: sysctl -w net.netfilter.nf_conntrack_max={max}",
    "Let entries end sooner: sysctl -w net.netfilter.nf_conntrack_udp_timeout=10 net.netfilter.nf_conntrack_udp_timeout_stream=60",
  ],
  inVain: ["Socket buffers: UDP never saw the datagrams"],
  find: (measures) => {
    // A lost race counts as a drop, too.
    const lost = restOf(measures.netfilter.dropped, [measures.netfilter.insertFailed]);
    if (!isLoss(lost, receivedByIp(measures))) return [];
    return [
      {
        severity: "loss",
        title: "The table of tracked connections is full: datagrams of new flows are dropped",
        datagrams: lost,
        proof: [`nf_conntrack drop ${count(lost)}`, ...level(measures.netfilter)],
        fill: fill(measures.netfilter),
      },
    ];
  },
};

export const conntrackRace: Verdict = {
  name: "conntrack-race",
  handOff: "3n",
  remedy: [
    "Do not track this traffic: nft add rule inet raw prerouting udp dport PORT notrack, and the same for replies",
    "DNS: a cache on each node, asked over TCP or without address translation (NodeLocal DNSCache)",
  ],
  inVain: ["A larger table of tracked connections: it is not full"],
  find: (measures) => {
    const { insertFailed, clashResolved } = measures.netfilter;
    if (!isLoss(insertFailed, receivedByIp(measures))) return [];
    return [
      {
        severity: "loss",
        title: "Two CPUs track the first datagrams of one flow at the same time, and one of them is dropped",
        datagrams: insertFailed,
        proof: [
          `nf_conntrack insert_failed ${count(insertFailed)}`,
          ...(clashResolved === undefined ? [] : [`clashes that the kernel resolved: ${count(clashResolved)}`]),
          ...level(measures.netfilter),
        ],
      },
    ];
  },
};

export const conntrackPressure: Verdict = {
  name: "conntrack-nearly-full",
  handOff: "3n",
  remedy: [
    "Make the table larger before it is full: sysctl -w net.netfilter.nf_conntrack_max={max}",
    "Do not track this port: nft add rule inet raw prerouting udp dport PORT notrack, and the same for replies",
  ],
  inVain: [],
  find: ({ netfilter }) => {
    const { conntrackCount, conntrackMax, earlyDropped = 0, dropped = 0 } = netfilter;
    const isFull =
      conntrackCount !== undefined && conntrackMax !== undefined && conntrackCount >= NEARLY_FULL * conntrackMax;
    if (dropped > 0 || !(isLoss(earlyDropped, undefined) || (isFull && conntrackMax > 0))) return [];
    return [
      {
        severity: "warning",
        title: "The table of tracked connections is nearly full",
        datagrams: undefined,
        proof: [`nf_conntrack early_drop ${count(earlyDropped)}: other flows gave way`, ...level(netfilter)],
        fill: fill(netfilter),
      },
    ];
  },
};

export const conntrackInvalid: Verdict = {
  name: "conntrack-invalid",
  handOff: "3n",
  remedy: [
    "It is no loss by itself, unless a rule drops what is invalid: nft list ruleset, iptables-save, for ct state invalid",
    "Look at checksums and ICMP errors: what cannot be tracked is often damaged by a tunnel's offload",
  ],
  inVain: ["A larger table of tracked connections: it is not full"],
  find: (measures): Found[] => {
    const { invalid } = measures.netfilter;
    if (!isLoss(invalid, receivedByIp(measures))) return [];
    return [
      {
        severity: "warning",
        title: "Connection tracking could not place some packets: not lost by that",
        datagrams: undefined,
        proof: [
          `nf_conntrack invalid ${count(invalid)}, insert_failed ${count(measures.netfilter.insertFailed ?? 0)}, drop ${count(measures.netfilter.dropped ?? 0)}`,
        ],
      },
    ];
  },
};
