import { describe, expect, it } from "vitest";
import type { QuicProxySpecInput } from "../../../../crds/schema.ts";
import { type Contract, UPSTREAM_SOCKETS_UNBOUNDED } from "../../../../proxy/contract/contract.ts";
import { plan } from "../../../../proxy/contract/plan.ts";
import { specOf } from "./specs.ts";

const HASH_KEY = Uint8Array.from({ length: 16 }, (_, index) => index);

function planOf(parts: Partial<QuicProxySpecInput> = {}, cpus = 4): Contract {
  return plan(specOf(parts), { generation: 7, cpus, hashKey: HASH_KEY });
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
      flowMemoryBytes: 67_108_864,
      hashKey: HASH_KEY,
      endpoints: [
        { address: "0.0.0.0", family: 4, port: 443, optional: false, listener: 0 },
        { address: "::", family: 6, port: 443, optional: true, listener: 0 },
      ],
      backends: [],
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

describe("plan of what a contract cannot say", () => {
  it.each([
    ["Decoupled", { dataPlane: { mode: "Decoupled" } }, /Decoupled has no contract/],
    ["a Service", { backends: { service: { name: "a", port: 1 } } }, /must be resolved/],
  ] as [
    string,
    Partial<QuicProxySpecInput>,
    RegExp,
  ][])("refuses %s, which parse refuses before", (_, parts, message) => {
    expect(() => planOf(parts)).toThrow(message);
  });

  it("refuses a spec that no schema has seen", () => {
    const spec = specOf();
    const routing = { ...spec.routing, idleTimeout: "soon" };
    expect(() => plan({ ...spec, routing }, { generation: 1, cpus: 1, hashKey: HASH_KEY })).toThrow(/schema refuses/);
  });
});
