import type {
  CpuMeasure,
  IpMeasure,
  LinkMeasure,
  Measures,
  SocketMeasure,
  UdpMeasure,
} from "../../../../host/path/measures.ts";
import { udpTotals } from "../../../../host/path/udp.ts";
import type { ProxyMeasure } from "../../../../host/reading/proxy_measure.ts";
import type { Link, Reading, UdpSocket } from "../../../../host/reading/reading.ts";

/* Measures of a host on which nothing is lost, and parts of others. */

export const reading = (own: Partial<Reading> = {}): Reading => ({
  steadyMs: 0,
  time: "2026-01-31T12:00:00.000Z",
  kernelRelease: "6.8.0",
  missing: new Map(),
  cpus: undefined,
  softnet: undefined,
  ip4: undefined,
  ip4Ext: undefined,
  tcpExt: undefined,
  ip6: undefined,
  icmp4: undefined,
  icmp6: undefined,
  udp4: undefined,
  udp6: undefined,
  links: undefined,
  sockets: undefined,
  udpMemoryPages: 100,
  conntrack: { stats: undefined, count: undefined, max: undefined },
  netfilterQueues: undefined,
  arpCache: undefined,
  ndiscCache: undefined,
  qdiscs: undefined,
  neighbours: [],
  memoryCgroups: [],
  sysctls: new Map([
    ["net.core.rmem_max", [4_194_304]],
    ["net.core.rmem_default", [212_992]],
    ["net.core.netdev_max_backlog", [1000]],
    ["net.ipv4.udp_mem", [1000, 2000, 100_000]],
  ]),
  ...own,
});

export const udp = (own: Partial<UdpMeasure> = {}): UdpMeasure => ({
  inDatagrams: 100_000,
  inErrors: 0,
  receiveBufferErrors: 0,
  checksumErrors: 0,
  memoryErrors: 0,
  otherErrors: 0,
  noPorts: 0,
  outDatagrams: 100_000,
  sendBufferErrors: 0,
  ...own,
});

export const ip = (own: Partial<IpMeasure> = {}): IpMeasure => ({
  inReceives: 100_000,
  inDelivers: 100_000,
  eaten: 0,
  reversePathFiltered: 0,
  headerErrors: 0,
  addressErrors: 0,
  noRoutes: 0,
  unknownProtocols: 0,
  truncated: 0,
  discards: 0,
  reassembly: { requested: 0, done: 0, failed: 0 },
  outDiscards: 0,
  outNoRoutes: 0,
  ...own,
});

const none = { inDatagrams: 0, outDatagrams: 0 };

/** Own parts replace whole ones; udp and sockets are counted up into totals again. */
export function measures(own: Partial<Measures> = {}): Measures {
  const base: Measures = {
    subject: {},
    seconds: 10,
    before: reading(),
    after: reading({ steadyMs: 10_000, time: "2026-01-31T12:00:10.000Z" }),
    offload: {
      ip4: { datagramsPerSkb: 1, datagramsPerUdpCount: 1, isUdp: true },
      ip6: { datagramsPerSkb: 1, datagramsPerUdpCount: 1, isUdp: true },
    },
    links: [link()],
    cpus: [cpu(), cpu({ cpu: 1 })],
    ip: { ip4: ip(), ip6: ip({ inReceives: 0, inDelivers: 0 }) },
    netfilter: {
      conntrackCount: 10,
      conntrackMax: 1000,
      dropped: 0,
      earlyDropped: 0,
      insertFailed: 0,
      clashResolved: 0,
      invalid: 0,
      queues: [],
    },
    udp: { ip4: udp(), ip6: udp(none) },
    totals: udpTotals({ ip4: udp(), ip6: udp(none) }, offload, []),
    sockets: [socket()],
    send: {
      qdiscDrops: [],
      ingressDrops: [],
      neighbourDiscards: { arp: 0, ndisc: 0 },
      destinationUnreachable: { icmp4: 0, icmp6: 0 },
    },
    proxy: undefined,
    restarted: [],
  };
  const merged = { ...base, ...own };
  return { ...merged, totals: own.totals ?? udpTotals(merged.udp, merged.offload, merged.sockets) };
}

const offload = {
  ip4: { datagramsPerSkb: 1, datagramsPerUdpCount: 1, isUdp: true },
  ip6: { datagramsPerSkb: 1, datagramsPerUdpCount: 1, isUdp: true },
};

/** UDP of IPv4, with nothing of IPv6. */
export const udp4 = (own: Partial<UdpMeasure>): Measures["udp"] => ({ ip4: udp(own), ip6: udp(none) });
export const ip4 = (own: Partial<IpMeasure>): Measures["ip"] => ({
  ip4: ip(own),
  ip6: ip({ inReceives: 0, inDelivers: 0 }),
});

export function link(own: Partial<LinkMeasure> & { readonly of?: Partial<Link> } = {}): LinkMeasure {
  const { of, ...measure } = own;
  return {
    link: {
      index: 2,
      name: "eth0",
      isUp: true,
      isLoopback: false,
      stats: new Map([["rx_missed_errors", 0n]]),
      driver: { name: "ixgbe" },
      driverStats: [],
      ...of,
    },
    received: 100_000,
    stats: new Map(),
    queueStats: new Map(),
    driverStats: [],
    isRefreshed: true,
    ...measure,
  };
}

/** A device of `driver` of which one counter moved. */
export const moved = (driver: string, name: string, by: number, of: Partial<Link> = {}): LinkMeasure =>
  link({ of: { driver: { name: driver }, ...of }, driverStats: [{ name, moved: by }] });

export const cpu = (own: Partial<CpuMeasure> = {}): CpuMeasure => ({
  cpu: 0,
  processed: 50_000,
  dropped: 0,
  timeSqueeze: 0,
  flowLimit: 0,
  softirqShare: 0.1,
  idleShare: 0.8,
  ...own,
});

export function socket(own: Partial<SocketMeasure> & { readonly of?: Partial<UdpSocket> } = {}): SocketMeasure {
  const { of, ...measure } = own;
  return {
    socket: {
      family: 4,
      localAddress: "0.0.0.0",
      localPort: 443,
      inode: 7,
      uid: 0,
      receiveQueueBytes: 0,
      sendQueueBytes: 0,
      drops: 0,
      receiveBufferBytes: 212_992,
      owner: { pid: 17, command: "server" },
      ...of,
    },
    isSubject: true,
    drops: 0,
    queueBytes: [0, 0],
    isOld: true,
    isGone: false,
    groupSize: 1,
    ...measure,
  };
}

export const FULL_BYTES = 212_000;

export const proxy = (own: Partial<ProxyMeasure> = {}): ProxyMeasure => ({
  received: 100_000,
  forwarded: 100_000,
  ringFull: 0,
  refused: { budget: 0, tableFull: 0, noPort: 0, noBackend: 0 },
  backends: [{ name: "10.0.0.7:4433", sent: 1000, answered: 900, refused: 0 }],
  ...own,
});
