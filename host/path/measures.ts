import type { ProxyMeasure } from "../reading/proxy_measure.ts";
import type { Subject } from "../reading/raw.ts";
import type { Link, Reading, UdpSocket } from "../reading/reading.ts";
import type { HandOffId } from "./hand_offs.ts";

/*
 * What changed within a window. All numbers are differences unless their name says otherwise. undefined: not read, or a
 * column that this kernel does not have ("not separable"). Counters that were set back within the window (a driver
 * reloaded, a socket opened again) are undefined, too, and `restarted` names them.
 */

/** A difference, or undefined where there is none to be had. */
export type Count = number | undefined;

/** A counter that was set back within the window: nothing is concluded from it. */
export interface Restart {
  readonly handOff: HandOffId;
  /** For people: "eth0 rx_dropped", "socket 0.0.0.0:443 inode 7". */
  readonly what: string;
}

export interface Measures {
  readonly subject: Subject;
  readonly seconds: number;
  readonly after: Reading;
  readonly before: Reading;
  readonly offload: { readonly ip4: Offload; readonly ip6: Offload };
  readonly links: readonly LinkMeasure[] | undefined;
  readonly cpus: readonly CpuMeasure[] | undefined;
  readonly ip: { readonly ip4: IpMeasure; readonly ip6: IpMeasure };
  readonly netfilter: NetfilterMeasure;
  readonly udp: { readonly ip4: UdpMeasure; readonly ip6: UdpMeasure };
  /** UDP over both families, offload undone. */
  readonly totals: UdpTotals;
  /** All that exist in the second reading, or were closed within the window after a lighter reading had them. */
  readonly sockets: readonly SocketMeasure[] | undefined;
  readonly send: SendMeasure;
  readonly proxy: ProxyMeasure | undefined;
  readonly restarted: readonly Restart[];
}

/** Receive offload: how many datagrams are counted as one. */
export interface Offload {
  /** Datagrams in each skb that the IP layer counted, 1 or more (IpExt ECT sum / InReceives). */
  readonly datagramsPerSkb: number;
  /** Datagrams in each count of UDP: a socket without UDP_GRO gets them singly. 1 where TCP's share hides UDP's. */
  readonly datagramsPerUdpCount: number;
  /** False: much of what came is not UDP, so that the first number does not hold for UDP. */
  readonly isUdp: boolean;
}

export interface LinkMeasure {
  readonly link: Link;
  readonly received: Count;
  /** Differences by name; only what moved. */
  readonly stats: ReadonlyMap<string, number>;
  readonly queueStats: ReadonlyMap<string, number>;
  /** In the driver's order, only what moved; equal names of several queues apart. */
  readonly driverStats: readonly { readonly name: string; readonly moved: number }[];
  /** Whether any of the driver's counters moved: many refresh them at a pace of their own. */
  readonly isRefreshed: boolean;
}

export interface CpuMeasure {
  readonly cpu: number;
  readonly processed: Count;
  readonly dropped: Count;
  readonly timeSqueeze: Count;
  readonly flowLimit: Count;
  /** Share of its time, 0 to 1. */
  readonly softirqShare: Count;
  readonly idleShare: Count;
}

export interface IpMeasure {
  readonly inReceives: Count;
  readonly inDelivers: Count;
  /** InReceives - InDelivers - ForwDatagrams - (ReasmReqds - ReasmOKs), in skbs: eaten before transport. */
  readonly eaten: Count;
  readonly reversePathFiltered: Count;
  readonly headerErrors: Count;
  readonly addressErrors: Count;
  readonly noRoutes: Count;
  readonly unknownProtocols: Count;
  readonly truncated: Count;
  readonly discards: Count;
  /** Fragments that came, datagrams made of them, failures (30 s later). */
  readonly reassembly: { readonly requested: Count; readonly done: Count; readonly failed: Count };
  readonly outDiscards: Count;
  readonly outNoRoutes: Count;
}

export interface NetfilterMeasure {
  /** Entries now and at most. */
  readonly conntrackCount: Count;
  readonly conntrackMax: Count;
  readonly dropped: Count;
  readonly earlyDropped: Count;
  readonly insertFailed: Count;
  readonly clashResolved: Count;
  readonly invalid: Count;
  readonly queues: readonly QueueMeasure[];
}

export interface QueueMeasure {
  readonly queue: number;
  /** Netlink port of its reader: as a rule the ID of the process. */
  readonly portId: number;
  /** Waiting now. */
  readonly waiting: number;
  readonly queueDropped: number;
  readonly userDropped: number;
}

/** In skbs of receive offload, as the kernel counts them. */
export interface UdpMeasure {
  readonly inDatagrams: Count;
  readonly inErrors: Count;
  readonly receiveBufferErrors: Count;
  readonly checksumErrors: Count;
  /** undefined below kernel 5.11. */
  readonly memoryErrors: Count;
  /** InErrors without those that have a column of their own: socket filter, length, IPsec, ... */
  readonly otherErrors: Count;
  /** Outside of InErrors. */
  readonly noPorts: Count;
  readonly outDatagrams: Count;
  readonly sendBufferErrors: Count;
}

/** In datagrams. */
export interface UdpTotals {
  /** InDatagrams + InErrors + NoPorts, and what more waits now than before. undefined: no counters of UDP. */
  readonly arrived: Count;
  readonly delivered: Count;
  readonly receiveBufferErrors: Count;
  readonly checksumErrors: Count;
  readonly memoryErrors: Count;
  readonly otherErrors: Count;
  readonly noPorts: Count;
  readonly sent: Count;
  readonly sendBufferErrors: Count;
}

export interface SocketMeasure {
  readonly socket: UdpSocket;
  /** Whether the subject is about it. */
  readonly isSubject: boolean;
  /** In counts of UDP, as the kernel counts them. */
  readonly drops: Count;
  /** Truesize that waited at each reading that has it, in order of time; at least one. */
  readonly queueBytes: readonly number[];
  /** Whether it was there at the first reading. */
  readonly isOld: boolean;
  /** Whether it was closed within the window: its counters are those of the last reading that has it. */
  readonly isGone: boolean;
  /** Of how many sockets of one address and port it is one: more than 1 with SO_REUSEPORT. */
  readonly groupSize: number;
}

export interface SendMeasure {
  /** The most of any queue of an interface: what drops is counted by its parents, too. */
  readonly qdiscDrops: readonly { readonly interfaceIndex: number; readonly kind: string; readonly drops: number }[];
  /** Of rules at the ingress of an interface. */
  readonly ingressDrops: readonly { readonly interfaceIndex: number; readonly kind: string; readonly drops: number }[];
  readonly neighbourDiscards: { readonly arp: Count; readonly ndisc: Count };
  readonly destinationUnreachable: { readonly icmp4: Count; readonly icmp6: Count };
}
