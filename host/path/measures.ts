import type { Subject } from "../reading/raw.ts";
import type { Link, Reading, UdpSocket } from "../reading/reading.ts";

/*
 * What changed within a window. All numbers are differences unless their name says otherwise. undefined: not read, or a
 * column that this kernel does not have ("not separable"). Counters that were set back within the window (a driver
 * reloaded, a socket opened again) are undefined, too, and `restarted` names them.
 */

/** A difference, or undefined where there is none to be had. */
export type Count = number | undefined;

export interface Measures {
  readonly subject: Subject;
  readonly seconds: number;
  readonly after: Reading;
  readonly before: Reading;
  /** Receive offload: datagrams in each skb that the IP layer saw, 1 or more (IpExt ECT sum / InReceives). */
  readonly datagramsPerSkb: { readonly ip4: number; readonly ip6: number };
  readonly links: readonly LinkMeasure[];
  readonly cpus: readonly CpuMeasure[] | undefined;
  readonly ip: { readonly ip4: IpMeasure; readonly ip6: IpMeasure };
  readonly netfilter: NetfilterMeasure;
  readonly udp: { readonly ip4: UdpMeasure; readonly ip6: UdpMeasure };
  /** Of the subject's port, or all; those that exist in the second reading. */
  readonly sockets: readonly SocketMeasure[] | undefined;
  readonly send: SendMeasure;
  /** What was set back within the window, for people: "eth0 rx_dropped", "socket 0.0.0.0:443 inode 7". */
  readonly restarted: readonly string[];
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
  /** InReceives - InDelivers - ForwDatagrams - (ReasmReqds - ReasmOKs), in skbs: eaten before transport. */
  readonly eaten: Count;
  readonly reversePathFiltered: Count;
  readonly headerErrors: Count;
  readonly addressErrors: Count;
  readonly noRoutes: Count;
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
  readonly queues: readonly { readonly queue: number; readonly queueDropped: number; readonly userDropped: number }[];
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
  readonly noPorts: Count;
  readonly outDatagrams: Count;
  readonly sendBufferErrors: Count;
}

export interface SocketMeasure {
  readonly socket: UdpSocket;
  readonly drops: Count;
  /** Truesize that waited at the first reading; undefined: it was not there yet. */
  readonly queueBeforeBytes: Count;
  /** Of how many sockets of one address and port it is one: more than 1 with SO_REUSEPORT. */
  readonly groupSize: number;
}

export interface SendMeasure {
  readonly qdiscDrops: readonly { readonly interfaceIndex: number; readonly kind: string; readonly drops: number }[];
  readonly neighbourDiscards: { readonly arp: Count; readonly ndisc: Count };
  readonly destinationUnreachable: { readonly icmp4: Count; readonly icmp6: Count };
}
