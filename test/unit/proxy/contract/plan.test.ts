import { describe, expect, it } from "vitest";
import type { QuicProxySpecInput } from "../../../../crds/schema.ts";
import { type Contract, UPSTREAM_SOCKETS_UNBOUNDED } from "../../../../proxy/contract/contract.ts";
import { plan } from "../../../../proxy/contract/plan.ts";
import { specOf } from "./specs.ts";

const HASH_KEY = Uint8Array.from({ length: 16 }, (_, index) => index);

function planOf(parts: Partial<QuicProxySpecInput> = {}, cpus = 4, quicLbKeys = new Map<number, Uint8Array>()) {
  return plan(specOf(parts), { generation: 7, cpus, hashKey: HASH_KEY, quicLbKeys });
}

describe("plan", () => {
  it("turns defaults into numbers", () => {
    expect(planOf()).toEqual({
      generation: 7,
      mode: "RunToCompletion",
      fallback: "FourTuple",
      shortHeaderCidLength: undefined,
      workers: 4,
      batch: 64,
      receiveBufferBytes: 8_388_608,
      sendBufferBytes: 4_194_304,
      idleTimeoutMs: 120_000,
      upstreamSocketMax: UPSTREAM_SOCKETS_UNBOUNDED,
      upstreamLevel: "Auto",
      upstreamPortFirst: 10_240,
      upstreamPortLast: 29_951,
      flowMemoryBytes: 67_108_864,
      newFlowsPerSecond: 20_000,
      sampleOneIn: 10_000,
      hashKey: HASH_KEY,
      endpoints: [
        { address: "0.0.0.0", family: 4, port: 443, optional: false, listener: 0 },
        { address: "::", family: 6, port: 443, optional: true, listener: 0 },
      ],
      backends: [],
      quicLb: [],
      serverIds: [],
    });
  });

  it.each([
    [{ min: 1, max: 8 }, 4, 4],
    [{ min: 6, max: 8 }, 4, 6],
    [{ min: 1, max: 3 }, 4, 3],
    [{ min: 2, max: 2 }, 64, 2],
    [{}, 128, 8],
    [{}, 0, 1],
  ])("runs of %j on %i CPUs %i workers", (workers, cpus, expected) => {
    expect(planOf({ dataPlane: { workers } }, cpus).workers).toBe(expected);
  });

  it.each([
    [
      "a Connection ID fallback",
      { routing: { fallback: "ConnectionID", connectionIdLength: 8 } },
      { fallback: "ConnectionID", shortHeaderCidLength: 8 },
    ],
    [
      "Baseline: one worker, one datagram",
      { dataPlane: { mode: "Baseline", workers: { min: 2 }, batch: 64 } },
      { mode: "Baseline", workers: 1, batch: 1 },
    ],
    [
      "Decoupled: as many workers and as large batches as without",
      { dataPlane: { mode: "Decoupled", workers: { min: 2 }, batch: 32 } },
      { mode: "Decoupled", workers: 4, batch: 32 },
    ],
    [
      "sizes",
      { dataPlane: { receiveBuffer: "4096", sendBuffer: "64Ki", flowMemory: "2Gi" } },
      { receiveBufferBytes: 4096, sendBufferBytes: 65_536, flowMemoryBytes: 2_147_483_648 },
    ],
    ["a duration", { routing: { idleTimeout: "1h30m" } }, { idleTimeoutMs: 5_400_000 }],
    ["a bound of upstream sockets", { dataPlane: { upstreamSockets: 100 } }, { upstreamSocketMax: 100 }],
  ] as [string, Partial<QuicProxySpecInput>, Partial<Contract>][])("takes over %s", (_, parts, expected) => {
    expect(planOf(parts)).toMatchObject(expected);
  });
});

describe("plan of addresses", () => {
  it("makes one endpoint of a listener with an address, in canonical form", () => {
    const listeners = [
      { port: 1 },
      { port: 2, address: "2001:DB8:0::1" },
      { port: 3, address: "0.0.0.0" },
      { port: 4, address: "::" },
    ];
    expect(planOf({ listeners }).endpoints.slice(2)).toEqual([
      { address: "2001:db8::1", family: 6, port: 2, optional: false, listener: 1 },
      { address: "0.0.0.0", family: 4, port: 3, optional: false, listener: 2 },
      { address: "::", family: 6, port: 4, optional: false, listener: 3 },
    ]);
  });

  it("gives one contract for every order of the backends", () => {
    const backends = [
      { address: "10.0.0.9", port: 4433 },
      { address: "10.0.0.10", port: 1 },
      { address: "9.255.0.1", port: 4433, weight: 0 },
      { address: "10.0.0.9", port: 443, weight: 7 },
      { address: "2001:DB8::1", port: 4433 },
    ];
    const forward = planOf({ backends: { static: backends } }).backends;
    expect(planOf({ backends: { static: backends.toReversed() } }).backends).toEqual(forward);
    expect(forward).toEqual([
      { address: "9.255.0.1", family: 4, port: 4433, weight: 0 },
      { address: "10.0.0.9", family: 4, port: 443, weight: 7 },
      { address: "10.0.0.9", family: 4, port: 4433, weight: 1 },
      { address: "10.0.0.10", family: 4, port: 1, weight: 1 },
      { address: "2001:db8::1", family: 6, port: 4433, weight: 1 },
    ]);
  });
});

describe("plan of QUIC-LB", () => {
  const key = (name: string) => ({ secretRef: { name } });
  const keys = new Map([
    [6, Uint8Array.from({ length: 16 }, () => 0x66)],
    [1, Uint8Array.from({ length: 16 }, () => 0x11)],
  ]);
  const parts: Partial<QuicProxySpecInput> = {
    backends: {
      static: [
        { address: "10.0.0.9", port: 4433, serverId: "0A0b0c" },
        { address: "10.0.0.8", port: 4433 },
        { address: "10.0.0.7", port: 4433, serverId: "c4605e" },
        { address: "10.0.0.6", port: 4433, serverId: "c4605e4504cc4f00", weight: 0 },
      ],
    },
    routing: {
      quicLB: [
        { rotation: 6, serverIdLength: 3, nonceLength: 4, key: key("new") },
        { rotation: 0, serverIdLength: 3, nonceLength: 16 },
        { rotation: 1, serverIdLength: 8, nonceLength: 8, key: key("old") },
        { rotation: 2, serverIdLength: 15, nonceLength: 4 },
      ],
    },
  };

  it("names each backend in every config of that length", () => {
    const { quicLb, serverIds, backends } = planOf(parts, 4, keys);
    expect(quicLb).toEqual([
      { rotation: 0, serverIdLength: 3, nonceLength: 16, key: undefined },
      { rotation: 1, serverIdLength: 8, nonceLength: 8, key: keys.get(1) },
      { rotation: 2, serverIdLength: 15, nonceLength: 4, key: undefined },
      { rotation: 6, serverIdLength: 3, nonceLength: 4, key: keys.get(6) },
    ]);
    expect(backends.map(({ address }) => address)).toEqual(["10.0.0.6", "10.0.0.7", "10.0.0.8", "10.0.0.9"]);
    expect(serverIds).toEqual([
      { backend: 1, rotation: 0, octets: Uint8Array.of(0xc4, 0x60, 0x5e) },
      { backend: 3, rotation: 0, octets: Uint8Array.of(0x0a, 0x0b, 0x0c) },
      { backend: 0, rotation: 1, octets: Uint8Array.from(Buffer.from("c4605e4504cc4f00", "hex")) },
      { backend: 1, rotation: 6, octets: Uint8Array.of(0xc4, 0x60, 0x5e) },
      { backend: 3, rotation: 6, octets: Uint8Array.of(0x0a, 0x0b, 0x0c) },
    ]);
  });

  it("leaves no name of a server ID among the backends", () => {
    expect(planOf(parts, 4, keys).backends[0]).toEqual({ address: "10.0.0.6", family: 4, port: 4433, weight: 0 });
  });

  it("never takes an encrypted config for a plain one", () => {
    expect(() => planOf(parts, 4, new Map([[6, new Uint8Array(16)]]))).toThrow();
  });
});

describe("plan of what a contract cannot say", () => {
  it.each([["a Service", { backends: { service: { name: "a", port: 1 } } }, /must be resolved/]] as [
    string,
    Partial<QuicProxySpecInput>,
    RegExp,
  ][])("refuses %s, which parse refuses before", (_, parts, message) => {
    expect(() => planOf(parts)).toThrow(message);
  });

  it("refuses a spec that no schema has seen", () => {
    const spec = specOf();
    const routing = { ...spec.routing, idleTimeout: "soon" };
    expect(() =>
      plan({ ...spec, routing }, { generation: 1, cpus: 1, hashKey: HASH_KEY, quicLbKeys: new Map() }),
    ).toThrow(/schema refuses/);
  });
});
