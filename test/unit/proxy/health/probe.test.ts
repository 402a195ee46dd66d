import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  encodeProbe,
  PROBE_BYTES,
  PROBE_RANDOM_BYTES,
  parseVersionNegotiation,
} from "../../../../proxy/health/probe.ts";

const random = fc.uint8Array({ minLength: PROBE_RANDOM_BYTES, maxLength: PROBE_RANDOM_BYTES });

interface Negotiation {
  first: number;
  version: number;
  dcid: Uint8Array;
  scid: Uint8Array;
  versions: Uint8Array;
}

function negotiation({ first, version, dcid, scid, versions }: Negotiation): Uint8Array {
  const header = Buffer.alloc(5);
  header[0] = first;
  header.writeUInt32BE(version, 1);
  return Uint8Array.from([...header, dcid.length, ...dcid, scid.length, ...scid, ...versions]);
}

const dcid = Buffer.from("0102030405060708", "hex");
const scid = Buffer.from("1112131415161718", "hex");
const good: Negotiation = {
  first: 0x80,
  version: 0,
  dcid: scid,
  scid: dcid,
  versions: Buffer.from("0000000100000002", "hex"),
};

describe("a probe", () => {
  it("is a long header with a reserved version, 8 octets of each ID, and 1200 octets in all", () => {
    fc.assert(
      fc.property(random, (octets) => {
        const { datagram, ids } = encodeProbe(octets);
        expect(datagram.length).toBe(PROBE_BYTES);
        expect(datagram[0]! & 0xc0).toBe(0xc0);
        expect(Buffer.from(datagram).readUInt32BE(1) & 0x0f0f0f0f).toBe(0x0a0a0a0a);
        expect(datagram[5]).toBe(8);
        expect(Buffer.from(datagram.subarray(6, 14))).toEqual(Buffer.from(ids.dcid));
        expect(datagram[14]).toBe(8);
        expect(Buffer.from(datagram.subarray(15, 23))).toEqual(Buffer.from(ids.scid));
      }),
    );
  });

  it("differs from the next one in version and IDs", () => {
    const one = encodeProbe(Uint8Array.from({ length: PROBE_RANDOM_BYTES }, (_, index) => index * 16));
    const other = encodeProbe(Uint8Array.from({ length: PROBE_RANDOM_BYTES }, (_, index) => 255 - index * 16));
    expect(Buffer.from(one.datagram).readUInt32BE(1)).not.toBe(Buffer.from(other.datagram).readUInt32BE(1));
    expect(one.ids).not.toEqual(other.ids);
  });
});

describe("Version Negotiation", () => {
  it("tells the IDs of the probe, swapped", () => {
    const ids = parseVersionNegotiation(negotiation(good));
    expect(ids && { dcid: Buffer.from(ids.dcid), scid: Buffer.from(ids.scid) }).toEqual({ dcid, scid });
  });

  it.each<[string, Uint8Array]>([
    ["nothing", Buffer.alloc(0)],
    ["a short header", negotiation({ ...good, first: 0x40 })],
    ["another version", negotiation({ ...good, version: 1 })],
    ["the probe itself, as an echo sends it back", encodeProbe(new Uint8Array(PROBE_RANDOM_BYTES)).datagram],
    ["no version at all", negotiation({ ...good, versions: Buffer.alloc(0) })],
    ["a piece of a version", negotiation({ ...good, versions: Buffer.alloc(6) })],
    ["an ID that is cut", negotiation(good).subarray(0, 20)],
    ["a length without ID", negotiation(good).subarray(0, 6)],
  ])("is not %s", (_, datagram) => {
    expect(parseVersionNegotiation(datagram)).toBeUndefined();
  });

  it("any octets are no reason to fail", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (octets) => {
        const zero = Uint8Array.from(octets);
        zero.set([0x80, 0, 0, 0, 0].slice(0, octets.length));
        for (const datagram of [octets, zero]) {
          const ids = parseVersionNegotiation(datagram);
          if (ids) expect(ids.dcid.length + ids.scid.length + 11).toBeLessThanOrEqual(datagram.length);
        }
      }),
    );
  });
});
