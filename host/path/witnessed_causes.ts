import type { Drop } from "../reading/witness.ts";
import { restOf, sumOf } from "./count.ts";
import type { HandOffId } from "./hand_offs.ts";
import type { Count, LinkMeasure, Measures } from "./measures.ts";
import { placeOf } from "./reasons.ts";

/*
 * What both witnesses see: the counter, and the reasons that say the same. Each drop belongs to one cause at most, so that
 * nothing is counted twice.
 */

export type WitnessedCause =
  | "device"
  | "not-ours"
  | "backlog"
  | "tc-ingress"
  | "reverse-path"
  | "fragments"
  | "eaten"
  | "no-listener"
  | "checksum"
  | "socket-filter"
  | "socket-buffer"
  | "memory"
  | "qdisc"
  | "neighbour"
  | "no-route";

export interface Cause {
  readonly cause: WitnessedCause;
  readonly handOff: HandOffId | undefined;
  /** As people know the counter. */
  readonly counter: string;
  /** In skbs, by the counter. */
  readonly counted: (measures: Measures) => Count;
  readonly isIts: (drop: Drop) => boolean;
  /** The counter also counts other protocols, or other namespaces: it may well be more. */
  readonly countsMore: boolean;
}

const overLinks = (of: (link: LinkMeasure) => number) => (measures: Measures) => sumOf((measures.links ?? []).map(of));

/** One event may stand in several of these. */
const missed = ({ stats }: LinkMeasure): number =>
  Math.max(...["rx_missed_errors", "rx_fifo_errors", "rx_over_errors"].map((name) => stats.get(name) ?? 0));

const isReason = (...names: readonly string[]) => {
  const set: ReadonlySet<string> = new Set(names);
  return ({ reason }: Drop): boolean => set.has(reason);
};

const isAt = (...places: readonly ReturnType<typeof placeOf>[]) => {
  return (drop: Drop): boolean => places.includes(placeOf(drop));
};

const startsWith = (...prefixes: readonly string[]) => {
  return ({ reason }: Drop): boolean => prefixes.some((prefix) => reason.startsWith(prefix));
};

type UdpColumn = "receiveBufferErrors" | "checksumErrors" | "memoryErrors" | "otherErrors" | "noPorts";

const udp =
  (column: UdpColumn) =>
  ({ udp: { ip4, ip6 } }: Measures): Count =>
    sumOf([ip4[column], ip6[column]]);

const reversePath = ({ ip: { ip4, ip6 } }: Measures): Count =>
  sumOf([ip4.reversePathFiltered, ip6.reversePathFiltered]);
const isReversePath = isReason("IP_RPFILTER");
const isIngress = startsWith("TC_");
const isOfFragments = startsWith("FRAG_", "DUP_FRAG");
const isIpInput = isAt("3", "3n");

const backlogDrops = ({ cpus = [] }: Measures): Count => sumOf(cpus.map(({ dropped }) => dropped));

export const CAUSES: readonly Cause[] = [
  {
    cause: "device",
    handOff: "1",
    counter: "rx_missed_errors",
    counted: overLinks(missed),
    isIts: isAt("1"),
    countsMore: true,
  },
  {
    cause: "backlog",
    handOff: "2",
    counter: "dropped of softnet_stat",
    counted: backlogDrops,
    isIts: isReason("CPU_BACKLOG"),
    countsMore: true,
  },
  {
    cause: "tc-ingress",
    handOff: "3",
    counter: "drops of tc rules at the ingress",
    counted: ({ send }) => sumOf(send.ingressDrops.map(({ drops }) => drops)),
    isIts: (drop) => isIpInput(drop) && isIngress(drop),
    countsMore: true,
  },
  {
    cause: "reverse-path",
    handOff: "3",
    counter: "IPReversePathFilter",
    counted: reversePath,
    isIts: isReversePath,
    countsMore: true,
  },
  {
    cause: "fragments",
    handOff: "3",
    counter: "ReasmFails",
    counted: ({ ip: { ip4, ip6 } }) => sumOf([ip4.reassembly.failed, ip6.reassembly.failed]),
    isIts: isOfFragments,
    countsMore: true,
  },
  {
    cause: "eaten",
    handOff: "3",
    counter: "InReceives without InDelivers",
    counted: (measures) => restOf(sumOf([measures.ip.ip4.eaten, measures.ip.ip6.eaten]), [reversePath(measures)]),
    isIts: (drop) => isIpInput(drop) && ![isIngress, isReversePath, isOfFragments].some((is) => is(drop)),
    countsMore: true,
  },
  {
    cause: "no-listener",
    handOff: "4",
    counter: "NoPorts",
    counted: udp("noPorts"),
    isIts: isReason("NO_SOCKET"),
    countsMore: false,
  },
  {
    cause: "checksum",
    handOff: "4",
    counter: "InCsumErrors",
    counted: udp("checksumErrors"),
    isIts: isReason("UDP_CSUM"),
    countsMore: false,
  },
  {
    cause: "socket-filter",
    handOff: "5",
    counter: "InErrors without a column of its own",
    counted: udp("otherErrors"),
    isIts: isReason("SOCKET_FILTER", "XFRM_POLICY", "PKT_TOO_SMALL", "SKB_UCOPY_FAULT"),
    countsMore: false,
  },
  {
    cause: "socket-buffer",
    handOff: "5",
    counter: "RcvbufErrors",
    counted: udp("receiveBufferErrors"),
    isIts: isReason("SOCKET_RCVBUFF"),
    countsMore: false,
  },
  {
    cause: "memory",
    handOff: "5",
    counter: "MemErrors",
    counted: udp("memoryErrors"),
    isIts: isReason("PROTO_MEM"),
    countsMore: false,
  },
  {
    cause: "qdisc",
    handOff: "8",
    counter: "drops of queueing disciplines",
    counted: ({ send }) => sumOf(send.qdiscDrops.map(({ drops }) => drops)),
    isIts: startsWith("QDISC_", "FQ_", "CAKE_", "DUALPI2_"),
    countsMore: true,
  },
  {
    cause: "neighbour",
    handOff: "8",
    counter: "unresolved_discards",
    counted: ({ send: { neighbourDiscards } }) => sumOf([neighbourDiscards.arp, neighbourDiscards.ndisc]),
    isIts: isReason("NEIGH_QUEUEFULL"),
    countsMore: true,
  },
  {
    cause: "no-route",
    handOff: "8",
    counter: "OutNoRoutes",
    counted: ({ ip: { ip4, ip6 } }) => sumOf([ip4.outNoRoutes, ip6.outNoRoutes]),
    isIts: isReason("IP_OUTNOROUTES"),
    countsMore: true,
  },
  {
    cause: "not-ours",
    handOff: undefined,
    counter: "rx_dropped",
    // What the backlog of a CPU refuses is counted at the device, too.
    counted: (measures) =>
      restOf(overLinks(({ stats }) => stats.get("rx_dropped") ?? 0)(measures), [backlogDrops(measures)]),
    isIts: isAt("not ours"),
    countsMore: true,
  },
];

/** What the drop's reason says, whether its counter moved or not; undefined: no counter says so. */
export const causeOf = (drop: Drop): Cause | undefined =>
  CAUSES.find(({ cause, isIts }) => isIts(drop) && (drop.family !== 0 || cause === "not-ours"));
