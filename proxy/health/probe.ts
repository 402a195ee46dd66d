/*
 * A probe is what RFC 8999 promises for every version: a long header with a version that no server speaks. A QUIC server
 * answers with Version Negotiation, without key, handshake or state (RFC 9000 section 6.1).
 *
 *   byte 0   1       5     6      14    15     23
 *   +--------+-------+-----+------+-----+------+---------+
 *   | 1fxxxxxx version| 8   | DCID | 8   | SCID | zeros   |
 *   +--------+-------+-----+------+-----+------+---------+
 */

/** What makes one probe and its answer recognisable; random. */
export interface ProbeIds {
  /** 8 octets: a client's first DCID must have as many (RFC 9000 section 7.2). */
  readonly dcid: Uint8Array;
  /** 8 octets. */
  readonly scid: Uint8Array;
}

/** Octets a client's first datagram must have; a server ignores shorter ones (RFC 9000 section 14.1). */
export const PROBE_BYTES = 1200;
export const PROBE_CID_BYTES = 8;
export const PROBE_RANDOM_BYTES = 5 + 2 * PROBE_CID_BYTES;

const LONG_HEADER = 0xc0;
const CID_START = 5;
const CID_BYTES_MAX = 255;
const VERSION_BYTES = 4;

/** A probe from PROBE_RANDOM_BYTES random octets. Versions of the form 0x?a?a?a?a are reserved (RFC 9000 section 15). */
export function encodeProbe(random: Uint8Array): { datagram: Uint8Array; ids: ProbeIds } {
  const dcid = random.slice(5, 5 + PROBE_CID_BYTES);
  const scid = random.slice(5 + PROBE_CID_BYTES, PROBE_RANDOM_BYTES);
  const datagram = new Uint8Array(PROBE_BYTES);
  datagram[0] = LONG_HEADER | (random[0]! & 0x3f);
  for (let index = 1; index <= VERSION_BYTES; index++) datagram[index] = (random[index]! & 0xf0) | 0x0a;
  datagram[CID_START] = PROBE_CID_BYTES;
  datagram.set(dcid, CID_START + 1);
  datagram[CID_START + 1 + PROBE_CID_BYTES] = PROBE_CID_BYTES;
  datagram.set(scid, CID_START + 2 + PROBE_CID_BYTES);
  return { datagram, ids: { dcid, scid } };
}

/**
 * The IDs of the probe that a Version Negotiation answers: the server swaps them (RFC 8999 section 6). Undefined for
 * any other datagram.
 */
export function parseVersionNegotiation(datagram: Uint8Array): ProbeIds | undefined {
  if (datagram.length < CID_START || (datagram[0]! & 0x80) === 0) return undefined;
  if (datagram.subarray(1, CID_START).some((octet) => octet !== 0)) return undefined;
  const scid = readCid(datagram, CID_START);
  if (scid === undefined) return undefined;
  const dcid = readCid(datagram, CID_START + 1 + scid.length);
  if (dcid === undefined) return undefined;
  const versionsBytes = datagram.length - CID_START - 2 - scid.length - dcid.length;
  return versionsBytes >= VERSION_BYTES && versionsBytes % VERSION_BYTES === 0 ? { dcid, scid } : undefined;
}

function readCid(datagram: Uint8Array, start: number): Uint8Array | undefined {
  const length = datagram[start] ?? CID_BYTES_MAX + 1;
  const end = start + 1 + length;
  return end <= datagram.length ? datagram.subarray(start + 1, end) : undefined;
}
