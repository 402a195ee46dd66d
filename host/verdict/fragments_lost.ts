import { sumOf } from "../path/count.ts";
import type { IpMeasure, Measures } from "../path/measures.ts";
import type { Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { count } from "./words.ts";

/** A datagram of 64 KiB has so many fragments of an Ethernet's length. */
const FRAGMENTS_MAX = 45;

export const fragmentsLost: Verdict = {
  name: "fragments-lost",
  handOff: "3",
  remedy: [
    "Let senders send datagrams that fit the path MTU (QUIC always does: 1,200 octets fit anywhere)",
    "See that firewalls on the way let fragments pass: the later ones carry no port",
    "Where many are under way at a time: sysctl -w net.ipv4.ipfrag_high_thresh=16777216",
  ],
  inVain: ["A bigger socket buffer: a datagram with a fragment missing is never delivered"],
  find: (measures) => {
    const lost = lostIn(measures);
    const received = sumOf([measures.ip.ip4.inReceives, measures.ip.ip6.inReceives]);
    if (!isLoss(lost, received)) return [];
    const all = [measures.ip.ip4, measures.ip.ip6].map(({ reassembly }) => reassembly);
    const of = (name: "requested" | "done" | "failed"): string => count(sumOf(all.map((each) => each[name])) ?? 0);
    return [
      {
        severity: "loss",
        title: "Fragments are missing: their datagrams cannot be put together",
        datagrams: lost,
        proof: [
          `${of("requested")} fragments came, ${of("done")} datagrams were made of them, ${of("failed")} given up; giving up takes 30 s`,
        ],
      },
    ];
  },
};

/** At most one datagram for each fragment that no datagram was made of. */
function lostIn({ ip }: Measures): number {
  const one = ({ reassembly: { requested = 0, done = 0, failed = 0 } }: IpMeasure): number => {
    const leftOver = requested - FRAGMENTS_MAX * done;
    return Math.max(failed, leftOver);
  };
  return Math.max(0, one(ip.ip4)) + Math.max(0, one(ip.ip6));
}
