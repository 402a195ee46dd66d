import { createHash } from "node:crypto";

/** Octets that only this seed gives: the same in every run, different for every seed. */
export function octets(length: number, seed: string): Buffer {
  const blocks: Buffer[] = [];
  for (let block = 0; block * 32 < length; block++) {
    blocks.push(createHash("sha256").update(`${block} ${seed}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}

export interface LongHeader {
  /** Default: QUIC v1. */
  version?: number;
  dcid?: Uint8Array;
  scid?: Uint8Array;
  /** First octet; the form bit is set in any case. Default 0xc3: Initial. */
  first?: number;
  /** Octets after the header. Default 20. */
  payloadBytes?: number;
}

export const QUIC_V1 = 1;
export const QUIC_V2 = 0x6b3343cf;
export const VERSION_NEGOTIATION = 0;
export const RETRY_FIRST_OCTET = 0xf0;

const NOTHING = new Uint8Array(0);

/** RFC 8999 section 5.1: 1RRRRRRR, version, length and DCID, length and SCID, anything. */
export function longHeader(header: LongHeader = {}): Buffer {
  const { version = QUIC_V1, dcid = NOTHING, scid = NOTHING, first = 0xc3, payloadBytes = 20 } = header;
  const start = Buffer.alloc(5);
  start[0] = first | 0x80;
  start.writeUInt32BE(version, 1);
  const ids = [dcid, scid].flatMap((id) => [Buffer.of(id.length), id]);
  return Buffer.concat([start, ...ids, Buffer.alloc(payloadBytes, 0x5a)]);
}

/** RFC 8999 section 5.2: 0RRRRRRR, DCID, anything. */
export function shortHeader(dcid: Uint8Array, { first = 0x40, payloadBytes = 20 } = {}): Buffer {
  return Buffer.concat([Buffer.of(first & 0x7f), dcid, Buffer.alloc(payloadBytes, 0xa5)]);
}

/** One whose Connection ID, of 8 octets, is this seed's. */
export const shortOf = (seed: string, payloadBytes = 20): Buffer => shortHeader(octets(8, seed), { payloadBytes });

/** Every beginning of a datagram, from nothing to one octet less than all. */
export function truncations(datagram: Buffer): Buffer[] {
  return Array.from({ length: datagram.length }, (_, length) => datagram.subarray(0, length));
}
