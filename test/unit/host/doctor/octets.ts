/* Netlink answers as the kernel would send them: sockets, queues, neighbours and interfaces of a test, in octets. */

const NLM_F_MULTI = 2;
const NLMSG_DONE = 3;

const u8 = (value: number): Buffer => Buffer.from([value]);

function u16(value: number): Buffer {
  const octets = Buffer.alloc(2);
  octets.writeUInt16LE(value);
  return octets;
}

function u16BigEndian(value: number): Buffer {
  const octets = Buffer.alloc(2);
  octets.writeUInt16BE(value);
  return octets;
}

function u32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32LE(value >>> 0);
  return octets;
}

function u64(value: bigint): Buffer {
  const octets = Buffer.alloc(8);
  octets.writeBigUInt64LE(value);
  return octets;
}

function padded(octets: Buffer): Buffer {
  return Buffer.concat([octets, Buffer.alloc((4 - (octets.length % 4)) % 4)]);
}

function attribute(type: number, content: Buffer): Buffer {
  return padded(Buffer.concat([u16(content.length + 4), u16(type), content]));
}

function message(type: number, payload: Buffer): Buffer {
  return padded(Buffer.concat([u32(payload.length + 16), u16(type), u16(NLM_F_MULTI), u32(1), u32(0), payload]));
}

function dump(type: number, payloads: readonly Buffer[]): string {
  const all = [...payloads.map((payload) => message(type, payload)), message(NLMSG_DONE, u32(0))];
  return Buffer.concat(all).toString("base64");
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`);

function addressOctets(address: string): Buffer {
  if (!address.includes(":")) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail = ""] = address.split("::");
  const words = (part: string): number[] =>
    part
      .split(":")
      .filter(Boolean)
      .map((word) => Number.parseInt(word, 16));
  const [first, last] = [words(head), words(tail)];
  const all = [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
  return Buffer.concat(all.map(u16BigEndian));
}

export interface TestSocket {
  readonly address?: string;
  readonly port: number;
  readonly inode: number;
  readonly uid?: number;
  readonly queue?: number;
  /** SK_MEMINFO_RCVBUF. */
  readonly buffer?: number;
  readonly drops?: number;
}

/** An answer to SOCK_DIAG_BY_FAMILY: inet_diag_msg with INET_DIAG_SKMEMINFO. */
export function udpSockets(family: 4 | 6, sockets: readonly TestSocket[]): string {
  return dump(
    20,
    sockets.map(({ address, port, inode, uid = 0, queue = 0, buffer = 212_992, drops = 0 }) => {
      const local = addressOctets(address ?? (family === 4 ? "0.0.0.0" : "::"));
      const memory = [queue, buffer, 0, 212_992, 0, 0, 0, 0, drops].map(u32);
      return Buffer.concat([
        Buffer.from([family === 4 ? 2 : 10, 7, 0, 0]),
        u16BigEndian(port),
        u16(0),
        local,
        Buffer.alloc(16 - local.length),
        Buffer.alloc(16),
        u32(0),
        u64(BigInt(inode) + 0x1000n),
        u32(0),
        u32(queue),
        u32(0),
        u32(uid),
        u32(inode),
        attribute(7, Buffer.concat(memory)),
      ]);
    }),
  );
}

export interface TestQdisc {
  readonly index: number;
  readonly kind: string;
  readonly parent?: "root" | "ingress";
  readonly drops: number;
}

export function qdiscs(all: readonly TestQdisc[]): string {
  return dump(
    36,
    all.map(({ index, kind, parent = "root", drops }) => {
      const queue = attribute(3, Buffer.concat([0, 0, drops, 0, 0].map(u32)));
      const header = [0, index, 0x8001_0000, parent === "root" ? 0xffff_ffff : 0xffff_fff1, 0].map(u32);
      return Buffer.concat([...header, attribute(1, text(kind)), attribute(7, queue)]);
    }),
  );
}

export interface TestNeighbour {
  readonly index: number;
  readonly address: string;
  /** NUD_*. */
  readonly state: number;
}

export function neighbours(all: readonly TestNeighbour[]): string {
  return dump(
    28,
    all.map(({ index, address, state }) =>
      Buffer.concat([u32(2), u32(index), u16(state), u8(0), u8(1), attribute(1, addressOctets(address))]),
    ),
  );
}

const LINK_STATS = [
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
];

export interface TestLink {
  readonly index: number;
  readonly name: string;
  /** IFLA_INFO_KIND. */
  readonly kind?: string;
  readonly xdp?: "native" | "generic";
  readonly isLoopback?: boolean;
  readonly stats?: Readonly<Record<string, number>>;
}

export function links(all: readonly TestLink[]): string {
  return dump(
    16,
    all.map(({ index, name, kind, xdp, isLoopback, stats = {} }) => {
      const flags = 0x41 | (isLoopback ? 0x8 : 0);
      return Buffer.concat([
        ...[0, index, flags, 0].map(u32),
        attribute(3, text(name)),
        attribute(23, Buffer.concat(LINK_STATS.map((each) => u64(BigInt(stats[each] ?? 0))))),
        ...(kind === undefined ? [] : [attribute(18, attribute(1, text(kind)))]),
        ...(xdp === undefined ? [] : [attribute(43, attribute(2, u8(xdp === "native" ? 1 : 2)))]),
      ]);
    }),
  );
}
