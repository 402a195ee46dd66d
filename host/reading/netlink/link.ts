import type { Counters, Link } from "../reading.ts";
import { type Parsed, printable } from "../text/columns.ts";
import { decodeAttributes } from "./attributes.ts";
import { text, u8, u32, u64 } from "./octets.ts";
import { decodeTable } from "./table.ts";

const RTM_NEWLINK = 16;
const IFINFO_BYTES = 16;
const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFF_RUNNING = 0x40;
/** IFLA_* of linux/if_link.h. */
const IFLA = { name: 3, mtu: 4, master: 10, queueLength: 13, info: 18, stats64: 23, xdp: 43 } as const;
const IFLA_INFO_KIND = 1;
const IFLA_XDP_ATTACHED = 2;

const XDP = [undefined, "native", "generic", "offloaded", "multiple"] as const;

/** struct rtnl_link_stats64 in its order; what an older kernel lacks is missing at the end. */
const STATS = [
  "rx_packets",
  "tx_packets",
  "rx_bytes",
  "tx_bytes",
  "rx_errors",
  "tx_errors",
  "rx_dropped",
  "tx_dropped",
  "multicast",
  "collisions",
  "rx_length_errors",
  "rx_over_errors",
  "rx_crc_errors",
  "rx_frame_errors",
  "rx_fifo_errors",
  "rx_missed_errors",
  "tx_aborted_errors",
  "tx_carrier_errors",
  "tx_fifo_errors",
  "tx_heartbeat_errors",
  "tx_window_errors",
  "rx_compressed",
  "tx_compressed",
  "rx_nohandler",
  "rx_otherhost_dropped",
];

function decodeStats(octets: Uint8Array | undefined): Counters {
  const stats = new Map<string, bigint>();
  for (const [place, name] of STATS.entries()) {
    const value = u64(octets, place * 8);
    if (value !== undefined) stats.set(name, value);
  }
  return stats;
}

function decodeLink(payload: Uint8Array): Link | undefined {
  const [index, flags] = [u32(payload, 4), u32(payload, 8)];
  const attributes = decodeAttributes(payload.subarray(IFINFO_BYTES));
  const name = text(attributes.get(IFLA.name));
  if (index === undefined || flags === undefined || name === undefined) return undefined;
  const kind = text(decodeAttributes(attributes.get(IFLA.info)).get(IFLA_INFO_KIND));
  const xdp = XDP[u8(decodeAttributes(attributes.get(IFLA.xdp)).get(IFLA_XDP_ATTACHED)) ?? 0];
  const master = u32(attributes.get(IFLA.master));
  const [txQueueLength, mtu] = [u32(attributes.get(IFLA.queueLength)), u32(attributes.get(IFLA.mtu))];
  return {
    index,
    name: printable(name),
    isUp: (flags & IFF_UP) !== 0 && (flags & IFF_RUNNING) !== 0,
    isLoopback: (flags & IFF_LOOPBACK) !== 0,
    ...(kind !== undefined && { kind: printable(kind) }),
    ...(master !== undefined && { master }),
    ...(xdp !== undefined && { xdp }),
    ...(txQueueLength !== undefined && { txQueueLength }),
    ...(mtu !== undefined && { mtu }),
    stats: decodeStats(attributes.get(IFLA.stats64)),
  };
}

/**
 * RTM_GETLINK dump (net/core/rtnetlink.c, rtnl_fill_ifinfo). IFLA_STATS64, 64 bit each, since 2.6.35: rx_nohandler since 4.6,
 * rx_otherhost_dropped since 5.19. How XDP is attached since 4.x. An interface counts as up with IFF_UP and IFF_RUNNING:
 * wanted, and with a carrier.
 */
export const decodeLinks = (octets: Uint8Array): Parsed<Link[]> => decodeTable(octets, RTM_NEWLINK, decodeLink);
