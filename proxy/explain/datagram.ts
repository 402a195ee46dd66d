import type { Frame } from "./frame.ts";

/** One UDP datagram of a capture. */
export interface Datagram {
  readonly from: Place;
  readonly to: Place;
  readonly payload: Uint8Array;
}

export interface Place {
  /** IP literal; IPv6 need not be in its shortest form. */
  readonly address: string;
  readonly port: number;
}

/** Why a frame holds no datagram to ask about. */
export type Passed = "no IP" | "no UDP" | "fragment" | "damaged" | "link type not known";

const UDP = 17;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const VLAN_TAGS: ReadonlySet<number> = new Set([0x8100, 0x88a8]);
const VLAN_TAGS_MAX = 2;
const IPV6_HEADER_BYTES = 40;
const IPV6_FRAGMENT = 44;
/** Hop-by-hop, routing and destination options: length in units of 8 octets after the first 8. */
const IPV6_EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 60]);
const EXTENSIONS_MAX = 8;

/** LINKTYPE_NULL, ETHERNET, RAW (also as DLT_RAW), LINUX_SLL, IPV4, IPV6, LINUX_SLL2: where the IP packet begins. */
const LINK_LAYERS: Readonly<Record<number, (frame: Uint8Array) => Uint8Array | undefined>> = {
  0: (frame) => frame.subarray(4),
  1: ethernetPayload,
  12: (frame) => frame,
  101: (frame) => frame,
  113: (frame) => frame.subarray(16),
  228: (frame) => frame,
  229: (frame) => frame,
  276: (frame) => frame.subarray(20),
};

/** The UDP datagram of a frame, or why there is none. Reads nothing beyond the frame. */
export function datagramOf({ linkType, octets }: Frame): Datagram | Passed {
  const link = LINK_LAYERS[linkType];
  if (!link) return "link type not known";
  const packet = link(octets);
  const version = packet?.[0] === undefined ? 0 : packet[0] >> 4;
  if (packet && version === 4) return ipv4Datagram(packet);
  if (packet && version === 6) return ipv6Datagram(packet);
  return "no IP";
}

const word = (octets: Uint8Array, at: number): number => (octets[at]! << 8) | octets[at + 1]!;

function ethernetPayload(frame: Uint8Array): Uint8Array | undefined {
  let at = 12;
  for (let tags = 0; tags <= VLAN_TAGS_MAX && frame.length >= at + 2; tags++) {
    const type = word(frame, at);
    if (type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6) return frame.subarray(at + 2);
    if (!VLAN_TAGS.has(type)) return undefined;
    at += 4;
  }
  return undefined;
}

function ipv4Datagram(packet: Uint8Array): Datagram | Passed {
  const headerBytes = (packet[0]! & 15) * 4;
  if (headerBytes < 20 || packet.length < headerBytes) return "damaged";
  if (packet[9] !== UDP) return "no UDP";
  if ((word(packet, 6) & 0x3fff) !== 0) return "fragment";
  const total = Math.max(word(packet, 2), headerBytes);
  const addresses = [packet.subarray(12, 16).join("."), packet.subarray(16, 20).join(".")] as const;
  return udpDatagram(packet.subarray(headerBytes, total), addresses);
}

function ipv6Datagram(packet: Uint8Array): Datagram | Passed {
  if (packet.length < IPV6_HEADER_BYTES) return "damaged";
  const addresses = [ipv6Text(packet.subarray(8, 24)), ipv6Text(packet.subarray(24, 40))] as const;
  const end = IPV6_HEADER_BYTES + word(packet, 4);
  let next = packet[6]!;
  let at = IPV6_HEADER_BYTES;
  for (let extensions = 0; extensions < EXTENSIONS_MAX && IPV6_EXTENSIONS.has(next); extensions++) {
    if (packet.length < at + 8) return "damaged";
    next = packet[at]!;
    at += 8 + packet[at + 1]! * 8;
  }
  if (next === IPV6_FRAGMENT) return "fragment";
  return next === UDP ? udpDatagram(packet.subarray(at, Math.max(end, at)), addresses) : "no UDP";
}

function ipv6Text(octets: Uint8Array): string {
  return Array.from({ length: 8 }, (_, group) => word(octets, 2 * group).toString(16)).join(":");
}

function udpDatagram(segment: Uint8Array, [from, to]: readonly [string, string]): Datagram | Passed {
  if (segment.length < 8 || word(segment, 4) < 8) return "damaged";
  return {
    from: { address: from, port: word(segment, 0) },
    to: { address: to, port: word(segment, 2) },
    payload: segment.subarray(8, word(segment, 4)),
  };
}
