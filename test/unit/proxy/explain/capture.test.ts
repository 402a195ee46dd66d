import { describe, expect, it } from "vitest";
import { readCapture } from "../../../../proxy/explain/capture.ts";
import { datagramOf } from "../../../../proxy/explain/datagram.ts";
import {
  block,
  enhanced,
  ethernet,
  interfaceBlock,
  pcapFile,
  section,
  udpOverIpv4,
  udpOverIpv6,
  words,
} from "./captures.ts";

const frame = Buffer.from("0102030405", "hex");
const read = (file: Uint8Array) =>
  [...readCapture(file)].map(({ octets, ...rest }) => ({ ...rest, octets: [...octets] }));
const whole = { linkType: 101, octets: [1, 2, 3, 4, 5], cut: false };

describe("readCapture of pcap", () => {
  it.each([
    ["little-endian", { big: false, magic: 0xa1b2c3d4 }],
    ["big-endian", { big: true, magic: 0xa1b2c3d4 }],
    ["nanoseconds", { big: false, magic: 0xa1b23c4d }],
  ])("reads %s", (_, options) => {
    const file = pcapFile(101, [{ octets: frame }, { octets: frame, original: 1500 }], options);
    expect(read(file)).toEqual([
      { ...whole, number: 1 },
      { ...whole, number: 2, cut: true },
    ]);
  });

  it("says where a file ends too early, at every octet", () => {
    const file = pcapFile(101, [{ octets: frame }]);
    for (let length = 4; length < file.length; length++) {
      if (length === 24) expect(read(file.subarray(0, length))).toEqual([]);
      else expect(() => read(file.subarray(0, length)), `${length} octets`).toThrow(/ends within/);
    }
  });
});

describe("readCapture of pcapng", () => {
  it.each([false, true])("reads packets of several interfaces and sections, big-endian: %s", (big) => {
    const other = block(0x0bad, Buffer.from("ffff", "hex"), big);
    const file = Buffer.concat([
      section(big),
      interfaceBlock(1, big),
      interfaceBlock(101, big),
      other,
      enhanced(frame, { on: 1, big }),
      section(!big),
      interfaceBlock(101, !big),
      enhanced(frame, { big: !big, original: 9 }),
    ]);
    expect(read(file)).toEqual([
      { ...whole, number: 1 },
      { ...whole, number: 2, cut: true },
    ]);
  });

  it("reads simple packet blocks up to the snap length", () => {
    const file = Buffer.concat([
      section(),
      interfaceBlock(101, false, 3),
      block(3, Buffer.concat([words([5]), frame])),
    ]);
    expect(read(file)).toEqual([{ number: 1, linkType: 101, octets: [1, 2, 3], cut: true }]);
  });

  it("refuses what is no sound block, and never reads beyond the file", () => {
    const file = Buffer.concat([section(), interfaceBlock(101), enhanced(frame)]);
    for (let length = 12; length < file.length; length++) {
      const ends = [28, 48].includes(length);
      if (ends) expect(read(file.subarray(0, length))).toEqual([]);
      else expect(() => read(file.subarray(0, length)), `${length} octets`).toThrow();
    }
    const wrong = (change: (copy: Buffer) => void): Buffer => {
      const copy = Buffer.from(file);
      change(copy);
      return copy;
    };
    expect(() => read(wrong((copy) => copy.writeUInt32LE(13, 4)))).toThrow("claims a length of 13");
    expect(() => read(wrong((copy) => copy.writeUInt32LE(0, 24)))).toThrow("has two lengths");
    expect(() => read(wrong((copy) => copy.writeUInt32LE(0, 8)))).toThrow("begins no section");
    expect(() => read(wrong((copy) => copy.writeUInt32LE(1, 56)))).toThrow("does not have");
    expect(() => read(wrong((copy) => copy.writeUInt32LE(99, 68)))).toThrow("longer than its block");
  });
});

it("says what to do about a file of another kind", () => {
  expect(() => readCapture(Buffer.from("no capture"))).toThrow("is neither pcap nor pcapng");
  expect(() => readCapture(new Uint8Array())).toThrow("tcpdump -w");
});

const payload = Buffer.from("c0ffee", "hex");
const v4 = udpOverIpv4({ from: [192, 0, 2, 1], to: [192, 0, 2, 2], payload });
const v6 = udpOverIpv6(payload);
const found4 = { from: { address: "192.0.2.1", port: 50_000 }, to: { address: "192.0.2.2", port: 443 }, payload };
const found6 = {
  from: { address: "fd79:0:0:0:0:0:0:2", port: 50_000 },
  to: { address: "fd79:0:0:0:0:0:0:1", port: 443 },
};
const look = (linkType: number, octets: Uint8Array) => {
  const found = datagramOf({ number: 1, linkType, octets, cut: false });
  return typeof found === "string" ? found : { ...found, payload: Buffer.from(found.payload) };
};

describe("datagramOf", () => {
  it.each([
    ["Ethernet", 1, ethernet(0x0800, v4)],
    ["one VLAN", 1, ethernet(0x0800, v4, [0x8100])],
    ["two VLANs", 1, ethernet(0x0800, v4, [0x88a8, 0x8100])],
    ["raw", 101, v4],
    ["cooked", 113, Buffer.concat([Buffer.alloc(16), v4])],
    ["cooked 2", 276, Buffer.concat([Buffer.alloc(20), v4])],
    ["loopback", 0, Buffer.concat([Buffer.alloc(4), v4])],
    ["Ethernet with padding", 1, ethernet(0x0800, Buffer.concat([v4, Buffer.alloc(9)]))],
  ])("finds it in a frame of %s", (_, linkType, octets) => {
    expect(look(linkType, octets)).toEqual(found4);
  });

  it("finds it behind IPv6 extension headers", () => {
    expect(look(229, v6)).toEqual({ ...found6, payload });
    expect(look(1, ethernet(0x86dd, udpOverIpv6(payload, [0, 60, 43])))).toEqual({ ...found6, payload });
  });

  it("says why there is none", () => {
    const fragment = Buffer.from(v4);
    fragment[6] = 0x20;
    const tcp = Buffer.from(v4);
    tcp[9] = 6;
    expect([
      look(1, ethernet(0x0806, v4)),
      look(101, Buffer.alloc(0)),
      look(101, fragment),
      look(101, tcp),
      look(229, udpOverIpv6(payload, [44])),
      look(147, v4),
    ]).toEqual(["no IP", "no IP", "fragment", "no UDP", "fragment", "link type not known"]);
  });

  it("reads nothing beyond a frame cut at any octet", () => {
    for (const packet of [v4, v6, udpOverIpv6(payload, [0, 60])]) {
      for (let length = 0; length < packet.length; length++) {
        const found = look(101, packet.subarray(0, length));
        if (typeof found !== "string") expect(found.payload.length).toBeLessThan(payload.length);
      }
    }
  });
});
