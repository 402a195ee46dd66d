import { readFileSync } from "node:fs";
import fc from "fast-check";
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
  UPSTREAM_LEVELS,
} from "../../../../proxy/contract/layout.ts";
import { TRIAL_SHARE } from "../../../../proxy/health/shares.ts";

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
  upstreamLevel: "Sockets",
  upstreamPortFirst: 10_240,
  upstreamPortLast: 29_951,
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
  [6, "7800", "header bytes"],
  [8, "0200000001000000", "generation"],
  [16, "38010000", "total bytes"],
  [20, "01", "mode"],
  [21, "01", "fallback"],
  [22, "12", "short header CID length"],
  [23, "01", "upstream level"],
  [24, "05000000", "workers"],
  [28, "00040000", "batch"],
  [32, "00008000", "receive buffer"],
  [36, "00004000", "send buffer"],
  [40, "c0d40100", "idle timeout"],
  [44, "ffffffff", "upstream sockets"],
  [48, "0000004002000000", "flow memory"],
  [56, "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf", "hash key"],
  [72, "02000000", "endpoint count"],
  [76, "78000000", "endpoint offset"],
  [80, "02000000", "backend count"],
  [84, "a8000000", "backend offset"],
  [88, "02000000", "QUIC-LB count"],
  [92, "d8000000", "QUIC-LB offset"],
  [96, "02000000", "server ID count"],
  [100, "08010000", "server ID offset"],
  [104, "204e0000", "new flows per second"],
  [108, "10270000", "sample one in"],
  [112, "0028", "first upstream port"],
  [114, "ff74", "last upstream port"],
  [116, "00000000", "reserved"],
  [120, "c0000201000000000000000000000000", "endpoint 0 address"],
  [136, "bb01", "endpoint 0 port"],
  [138, "04", "endpoint 0 family"],
  [139, "00", "endpoint 0 flags"],
  [140, "0000", "endpoint 0 listener"],
  [142, "0000", "endpoint 0 reserved"],
  [144, "20010db8000000000000000000000001", "endpoint 1 address"],
  [160, "fb20", "endpoint 1 port"],
  [162, "06", "endpoint 1 family"],
  [163, "01", "endpoint 1 flags"],
  [164, "0100", "endpoint 1 listener"],
  [166, "0000", "endpoint 1 reserved"],
  [168, "0a000007000000000000000000000000", "backend 0 address"],
  [184, "5111", "backend 0 port"],
  [186, "04", "backend 0 family"],
  [187, "00", "backend 0 reserved"],
  [188, "f0ff0f00", "backend 0 weight in sixteenths"],
  [192, "fd790002000000000000000000000012", "backend 1 address"],
  [208, "5211", "backend 1 port"],
  [210, "06", "backend 1 family"],
  [211, "00", "backend 1 reserved"],
  [212, "00000000", "backend 1 weight"],
  [216, "00", "config 0 rotation"],
  [217, "0f", "config 0 server ID length"],
  [218, "04", "config 0 nonce length"],
  [219, "00", "config 0 encrypted"],
  [220, "00000000", "config 0 reserved"],
  [224, "00000000000000000000000000000000", "config 0 key"],
  [240, "06", "config 1 rotation"],
  [241, "03", "config 1 server ID length"],
  [242, "04", "config 1 nonce length"],
  [243, "01", "config 1 encrypted"],
  [244, "00000000", "config 1 reserved"],
  [248, "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", "config 1 key"],
  [264, "01000000", "server ID 0 backend"],
  [268, "00", "server ID 0 rotation"],
  [269, "0f", "server ID 0 length"],
  [270, "0000", "server ID 0 reserved"],
  [272, "c0c1c2c3c4c5c6c7c8c9cacbcccdce00", "server ID 0 octets"],
  [288, "00000000", "server ID 1 backend"],
  [292, "06", "server ID 1 rotation"],
  [293, "03", "server ID 1 length"],
  [294, "0000", "server ID 1 reserved"],
  [296, "c4605e00000000000000000000000000", "server ID 1 octets"],
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
    expect([view.getUint32(16, true), view.getUint32(80, true), view.getUint32(84, true)]).toEqual([168, 0, 168]);
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

it("a backend on trial has a share that the contract can say, whatever its weight: a sixteenth of the whole one", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 65_535 }), (weight) => {
      const encoded = (share: number): number => {
        const backends = [{ address: "10.0.0.1", family: 4 as const, port: 1, weight: weight * share }];
        const buffer = encode({ ...CONTRACT, endpoints: [], backends, quicLb: [], serverIds: [] });
        return new DataView(buffer.buffer).getUint32(HEADER.bytes + BACKEND.offsets.weight, true);
      };
      expect(encoded(TRIAL_SHARE)).toBe(weight);
      expect(encoded(1)).toBe(weight / TRIAL_SHARE);
    }),
  );
});

describe("the layout", () => {
  const header = readFileSync(new URL("../../../../native/abi/contract.h", import.meta.url), "utf8");
  const widthOf: Record<string, number> = {
    uint8_t: 1,
    uint16_t: 2,
    uint32_t: 4,
    uint64_t: 8,
    Mode: 1,
    Fallback: 1,
    UpstreamLevel: 1,
  };

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
    expect({ ...MODES }).toEqual({
      RunToCompletion: constant("kRunToCompletion"),
      Baseline: constant("kBaseline"),
      Decoupled: constant("kDecoupled"),
    });
    expect({ ...FALLBACKS }).toEqual({ FourTuple: constant("kFourTuple"), ConnectionID: constant("kConnectionId") });
    expect({ ...UPSTREAM_LEVELS }).toEqual({ Auto: constant("kAuto"), Sockets: constant("kSockets") });
    expect(CONTRACT_MAGIC).toBe(constant("kContractMagic"));
    expect(CONTRACT_VERSION).toBe(constant("kContractVersion"));
    expect(CID_LENGTH_LEARNED).toBe(constant("kCidLengthLearned"));
    expect(ENDPOINT_OPTIONAL).toBe(constant("kEndpointOptional"));
  });
});
