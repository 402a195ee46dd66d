import type { IpMeasure, LinkMeasure, Measures, UdpMeasure } from "../../../../host/path/measures.ts";
import type { Link, Reading } from "../../../../host/reading/reading.ts";
import { ip as ipOf, udp as udpOf } from "../verdict/measures.ts";

/* Measures of a quiet host; a test changes what it is about. */

const ip = ipOf({ inReceives: 0, inDelivers: 0 });
const udp = udpOf({ inDatagrams: 0, outDatagrams: 0 });
const offload = { datagramsPerSkb: 1, datagramsPerUdpCount: 1, isUdp: true };

export interface Changes {
  readonly seconds?: number;
  readonly udp4?: Partial<UdpMeasure>;
  readonly udp6?: Partial<UdpMeasure>;
  readonly ip4?: Partial<IpMeasure>;
  readonly backlog?: number;
  /** Statistics of the one link. */
  readonly link?: Readonly<Record<string, number>>;
  readonly send?: Partial<Measures["send"]>;
}

export function measures({ seconds = 10, udp4, udp6, ip4, backlog, link, send }: Changes = {}): Measures {
  const linkMeasure: LinkMeasure = {
    link: { index: 2, name: "eth0", isUp: true, isLoopback: false, stats: new Map() } satisfies Link,
    received: 0,
    stats: new Map(Object.entries(link ?? {})),
    queueStats: new Map(),
    driverStats: [],
    isRefreshed: true,
  };
  const cpu = { processed: 0, timeSqueeze: 0, flowLimit: 0, softirqShare: 0, idleShare: 1 };
  return {
    subject: {},
    seconds,
    before: {} as Reading,
    after: {} as Reading,
    offload: { ip4: offload, ip6: offload },
    links: [linkMeasure],
    cpus: [{ cpu: 0, dropped: backlog ?? 0, ...cpu }],
    ip: { ip4: { ...ip, ...ip4 }, ip6: ip },
    netfilter: {} as Measures["netfilter"],
    udp: { ip4: { ...udp, ...udp4 }, ip6: { ...udp, ...udp6 } },
    totals: {} as Measures["totals"],
    sockets: [],
    send: {
      qdiscDrops: [],
      ingressDrops: [],
      neighbourDiscards: { arp: 0, ndisc: 0 },
      destinationUnreachable: { icmp4: 0, icmp6: 0 },
      ...send,
    },
    proxy: undefined,
    restarted: [],
  };
}
