/* Makers of frames and capture files. */

export function udpOverIpv4({ from, to, payload }: { from: number[]; to: number[]; payload: Uint8Array }): Buffer {
  const header = Buffer.alloc(28);
  header[0] = 0x45;
  header.writeUInt16BE(28 + payload.length, 2);
  header[8] = 64;
  header[9] = 17;
  header.set(from, 12);
  header.set(to, 16);
  writeUdp(header, 20, payload.length);
  return Buffer.concat([header, payload]);
}

export function udpOverIpv6(payload: Uint8Array, extensions: readonly number[] = []): Buffer {
  const chain = Buffer.concat(extensions.map((_, index) => extension(extensions[index + 1] ?? 17)));
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(chain.length + 8 + payload.length, 4);
  header[6] = extensions[0] ?? 17;
  header.set([0xfd, 0x79], 8);
  header[23] = 2;
  header.set([0xfd, 0x79], 24);
  header[39] = 1;
  const udp = Buffer.alloc(8);
  writeUdp(udp, 0, payload.length);
  return Buffer.concat([header, chain, udp, payload]);
}

function extension(next: number): Buffer {
  const octets = Buffer.alloc(8);
  octets[0] = next;
  return octets;
}

function writeUdp(header: Buffer, at: number, payloadBytes: number): void {
  header.writeUInt16BE(50_000, at);
  header.writeUInt16BE(443, at + 2);
  header.writeUInt16BE(8 + payloadBytes, at + 4);
}

export function ethernet(type: number, packet: Uint8Array, vlans: readonly number[] = []): Buffer {
  const tags = vlans.flatMap((tag) => [tag >> 8, tag & 0xff, 0, 7]);
  return Buffer.concat([Buffer.alloc(12), Buffer.from([...tags, type >> 8, type & 0xff]), packet]);
}

interface Written {
  octets: Uint8Array;
  /** Default: as many as there are. */
  original?: number;
}

export function pcapFile(
  linkType: number,
  frames: readonly Written[],
  { big = false, magic = 0xa1b2c3d4 } = {},
): Buffer {
  const u32 = (...values: number[]): Buffer => words(values, big);
  const head = Buffer.concat([u32(magic), Buffer.from(big ? [0, 2, 0, 4] : [2, 0, 4, 0]), u32(0, 0, 65_535, linkType)]);
  const records = frames.map(({ octets, original = octets.length }) =>
    Buffer.concat([u32(0, 0, octets.length, original), octets]),
  );
  return Buffer.concat([head, ...records]);
}

export function words(values: readonly number[], big = false): Buffer {
  const buffer = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => {
    if (big) buffer.writeUInt32BE(value, 4 * index);
    else buffer.writeUInt32LE(value, 4 * index);
  });
  return buffer;
}

export function block(type: number, body: Uint8Array, big = false): Buffer {
  const padded = Buffer.concat([body, Buffer.alloc((4 - (body.length % 4)) % 4)]);
  const length = 12 + padded.length;
  return Buffer.concat([words([type, length], big), padded, words([length], big)]);
}

export function section(big = false): Buffer {
  return block(0x0a0d0d0a, Buffer.concat([words([0x1a2b3c4d, 1, 0xffffffff, 0xffffffff], big)]), big);
}

export function interfaceBlock(linkType: number, big = false, snapLength = 0): Buffer {
  const types = Buffer.alloc(4);
  if (big) types.writeUInt16BE(linkType, 0);
  else types.writeUInt16LE(linkType, 0);
  return block(1, Buffer.concat([types, words([snapLength], big)]), big);
}

export function enhanced(octets: Uint8Array, { on = 0, big = false, original = octets.length } = {}): Buffer {
  return block(6, Buffer.concat([words([on, 0, 0, octets.length, original], big), octets]), big);
}
