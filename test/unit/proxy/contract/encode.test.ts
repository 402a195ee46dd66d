import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Contract } from "../../../../proxy/contract/contract.ts";
import { encode } from "../../../../proxy/contract/encode.ts";
import {
  BACKEND,
  CID_LENGTH_LEARNED,
  CONTRACT_MAGIC,
  CONTRACT_VERSION,
  ENDPOINT,
  ENDPOINT_OPTIONAL,
  FALLBACKS,
  HEADER,
  type Layout,
  MODES,
  QUIC_LB,
  SERVER_ID,
} from "../../../../proxy/contract/layout.ts";

const CONTRACT: Contract = {
  generation: 0x1_0000_0002,
  mode: "Baseline",
  fallback: "ConnectionID",
  shortHeaderCidLength: 18,
  workers: 5,
  batch: 1024,
  receiveBufferBytes: 0x00800000,
  sendBufferBytes: 0x00400000,
  idleTimeoutMs: 120_000,
  upstreamSocketMax: 0xffffffff,
  flowMemoryBytes: 0x2_4000_0000,
  newFlowsPerSecond: 20_000,
  sampleOneIn: 10_000,
  hashKey: Uint8Array.from({ length: 16 }, (_, index) => 0xa0 + index),
  endpoints: [
    { address: "192.0.2.1", family: 4, port: 443, optional: false, listener: 0 },
    { address: "2001:db8::1", family: 6, port: 8443, optional: true, listener: 1 },
  ],
  backends: [
    { address: "10.0.0.7", family: 4, port: 4433, weight: 65_535 },
    { address: "fd79:2::12", family: 6, port: 4434, weight: 0 },
  ],
  quicLb: [
    { rotation: 0, serverIdLength: 15, nonceLength: 4, key: undefined },
    { rotation: 6, serverIdLength: 3, nonceLength: 4, key: Uint8Array.from({ length: 16 }, (_, i) => 0xb0 + i) },
  ],
  serverIds: [
    { backend: 1, rotation: 0, octets: Uint8Array.from({ length: 15 }, (_, i) => 0xc0 + i) },
    { backend: 0, rotation: 6, octets: Uint8Array.of(0xc4, 0x60, 0x5e) },
  ],
};

/** [offset, octets in hexadecimal, what] of every field, one after the other without a gap. */
const GOLDEN = [
  [0, "51505831", "magic QPX1"],
  [4, "0100", "version"],
  [6, "7000", "header bytes"],
  [8, "0200000001000000", "generation"],
  [16, "30010000", "total bytes"],
  [20, "01", "mode"],
  [21, "01", "fallback"],
  [22, "12", "short header CID length"],
  [23, "00", "reserved"],
  [24, "05000000", "workers"],
  [28, "00040000", "batch"],
  [32, "00008000", "receive buffer"],
  [36, "00004000", "send buffer"],
  [40, "c0d40100", "idle timeout"],
  [44, "ffffffff", "upstream sockets"],
  [48, "0000004002000000", "flow memory"],
  [56, "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf", "hash key"],
  [72, "02000000", "endpoint count"],
  [76, "70000000", "endpoint offset"],
  [80, "02000000", "backend count"],
  [84, "a0000000", "backend offset"],
  [88, "02000000", "QUIC-LB count"],
  [92, "d0000000", "QUIC-LB offset"],
  [96, "02000000", "server ID count"],
  [100, "00010000", "server ID offset"],
  [104, "204e0000", "new flows per second"],
  [108, "10270000", "sample one in"],
  [112, "c0000201000000000000000000000000", "endpoint 0 address"],
  [128, "bb01", "endpoint 0 port"],
  [130, "04", "endpoint 0 family"],
  [131, "00", "endpoint 0 flags"],
  [132, "0000", "endpoint 0 listener"],
  [134, "0000", "endpoint 0 reserved"],
  [136, "20010db8000000000000000000000001", "endpoint 1 address"],
  [152, "fb20", "endpoint 1 port"],
  [154, "06", "endpoint 1 family"],
  [155, "01", "endpoint 1 flags"],
  [156, "0100", "endpoint 1 listener"],
  [158, "0000", "endpoint 1 reserved"],
  [160, "0a000007000000000000000000000000", "backend 0 address"],
  [176, "5111", "backend 0 port"],
  [178, "04", "backend 0 family"],
  [179, "00", "backend 0 reserved"],
  [180, "ffff0000", "backend 0 weight"],
  [184, "fd790002000000000000000000000012", "backend 1 address"],
  [200, "5211", "backend 1 port"],
  [202, "06", "backend 1 family"],
  [203, "00", "backend 1 reserved"],
  [204, "00000000", "backend 1 weight"],
  [208, "00", "config 0 rotation"],
  [209, "0f", "config 0 server ID length"],
  [210, "04", "config 0 nonce length"],
  [211, "00", "config 0 encrypted"],
  [212, "00000000", "config 0 reserved"],
  [216, "00000000000000000000000000000000", "config 0 key"],
  [232, "06", "config 1 rotation"],
  [233, "03", "config 1 server ID length"],
  [234, "04", "config 1 nonce length"],
  [235, "01", "config 1 encrypted"],
  [236, "00000000", "config 1 reserved"],
  [240, "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", "config 1 key"],
  [256, "01000000", "server ID 0 backend"],
  [260, "00", "server ID 0 rotation"],
  [261, "0f", "server ID 0 length"],
  [262, "0000", "server ID 0 reserved"],
  [264, "c0c1c2c3c4c5c6c7c8c9cacbcccdce00", "server ID 0 octets"],
  [280, "00000000", "server ID 1 backend"],
  [284, "06", "server ID 1 rotation"],
  [285, "03", "server ID 1 length"],
  [286, "0000", "server ID 1 reserved"],
  [288, "c4605e00000000000000000000000000", "server ID 1 octets"],
] as const;

describe("encode", () => {
  const buffer = Buffer.from(encode(CONTRACT));

  it.each(GOLDEN)("puts at %i %s: %s", (offset, hex) => {
    expect(buffer.toString("hex", offset, offset + hex.length / 2)).toBe(hex);
  });

  it("has nothing but these fields", () => {
    expect(buffer.toString("hex")).toBe(GOLDEN.map(([, hex]) => hex).join(""));
  });

  it("says that the length of Connection IDs is learned", () => {
    const { shortHeaderCidLength: _, ...rest } = CONTRACT;
    expect(encode({ ...rest, shortHeaderCidLength: undefined })[22]).toBe(0xff);
  });

  it("needs no backends", () => {
    const view = new DataView(encode({ ...CONTRACT, backends: [], quicLb: [], serverIds: [] }).buffer);
    expect([view.getUint32(16, true), view.getUint32(80, true), view.getUint32(84, true)]).toEqual([160, 0, 160]);
  });

  it.each([
    ["a short key", { hashKey: new Uint8Array(15) }, /15 octets/],
    ["a negative number", { workers: -1 }, /-1 does not fit/],
    ["a fraction", { batch: 1.5 }, /1.5 does not fit/],
    ["a number too large", { idleTimeoutMs: 2 ** 32 }, /4 octets/],
    [
      "a host name",
      { backends: [{ address: "localhost", family: 4 as const, port: 1, weight: 1 }] },
      /localhost is not an IP address/,
    ],
    [
      "a short QUIC-LB key",
      { quicLb: [{ rotation: 0, serverIdLength: 3, nonceLength: 4, key: new Uint8Array(15) }] },
      /QUIC-LB key of 15 octets/,
    ],
    [
      "a long server ID",
      { serverIds: [{ backend: 0, rotation: 0, octets: new Uint8Array(17) }] },
      /server ID of 17 octets/,
    ],
  ])("refuses %s", (_, change, message) => {
    expect(() => encode({ ...CONTRACT, ...change })).toThrow(message);
  });
});

describe("the layout", () => {
  const header = readFileSync(new URL("../../../../native/abi/contract.h", import.meta.url), "utf8");
  const widthOf: Record<string, number> = { uint8_t: 1, uint16_t: 2, uint32_t: 4, uint64_t: 8, Mode: 1, Fallback: 1 };

  /** Fields of a C++ struct: [name, octets]. */
  function structOf(name: string): [string, number][] {
    const body = new RegExp(`struct ${name} \\{([^}]*)\\}`).exec(header)?.[1] ?? "";
    return [...body.matchAll(/^\s*(\w+) (\w+)(?:\[(\d+)\])?;/gm)].map(([, type = "", field = "", count = "1"]) => {
      return [field, (widthOf[type] ?? Number.NaN) * Number(count)];
    });
  }

  it.each([
    ["ContractHeader", HEADER],
    ["EndpointRecord", ENDPOINT],
    ["BackendRecord", BACKEND],
    ["QuicLbRecord", QUIC_LB],
    ["ServerIdRecord", SERVER_ID],
  ] as [string, Layout<string>][])("is that of %s in contract.h", (name, { widths, offsets, bytes }) => {
    expect(Object.entries(widths)).toEqual(structOf(name));
    expect(bytes).toBe(Number(new RegExp(`sizeof\\(${name}\\) == (\\d+)`).exec(header)?.[1]));
    for (const [field, width] of structOf(name)) expect((offsets[field] ?? Number.NaN) % Math.min(width, 8)).toBe(0);
  });

  it("has the constants of contract.h", () => {
    const constant = (name: string): number => Number(new RegExp(`${name} = (\\w+)[,; ]`).exec(header)?.[1]);
    expect({ ...MODES }).toEqual({ RunToCompletion: constant("kRunToCompletion"), Baseline: constant("kBaseline") });
    expect({ ...FALLBACKS }).toEqual({ FourTuple: constant("kFourTuple"), ConnectionID: constant("kConnectionId") });
    expect(CONTRACT_MAGIC).toBe(constant("kContractMagic"));
    expect(CONTRACT_VERSION).toBe(constant("kContractVersion"));
    expect(CID_LENGTH_LEARNED).toBe(constant("kCidLengthLearned"));
    expect(ENDPOINT_OPTIONAL).toBe(constant("kEndpointOptional"));
  });
});
