import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { checkConservation } from "../../proxy/counters/conservation.ts";
import type { CountersReport } from "../../proxy/metrics/report.ts";
import { Network } from "./network.ts";
import { octets, shortHeader } from "./packets.ts";
import type { Received } from "./peer.ts";
import type { Place } from "./place.ts";
import { LISTEN_PORT, type ManifestOptions, manifest, type ProxyProcess, UPSTREAM_LEVEL } from "./proxy.ts";

/* The manifest changes again and again while traffic flows; broken ones come in between. */

const BACKEND_PORTS = [4433, 4434, 4435, 4436] as const;
const ADDED_PORT = 8443;
const FLOWS = 40;
const RELOADS = 36;
const REQUEST_BYTES = 213;

let network: Network;
let place: Place;
let proxy: ProxyProcess;
let mode: "RunToCompletion" | "Decoupled" = "RunToCompletion";

beforeAll(async () => {
  network = new Network();
  for (const port of BACKEND_PORTS) await network.openEcho({ port });
});
afterAll(() => network.remove());

const backend = (port: number, weight = 1): ManifestOptions["backends"][number] => ({
  ...network.service({ port }),
  weight,
});

const first = (): ManifestOptions => ({
  backends: BACKEND_PORTS.map((port) => backend(port)),
  dataPlane: { mode, workers: { min: 2, max: 2 }, receiveBuffer: "4Mi" },
});

beforeEach(async () => {
  place = network.host.place(manifest(first()));
  proxy = await network.host.start(place);
});
afterEach(async () => {
  await network.host.clear();
  await network.forget();
});

const workersAt = (step: number): { min: number; max: number } => {
  const count = 1 + (Math.floor(step / 8) % 4);
  return { min: count, max: count };
};

/** Changes of every kind that a running proxy takes, one after the other, no two the same. */
function change(step: number): ManifestOptions {
  const base = first();
  const all = base.backends;
  const kinds: (() => ManifestOptions)[] = [
    () => ({ ...base, backends: all.map(({ port }, index) => backend(port, 1 + ((step + index) % 7))) }),
    () => ({ ...base, backends: all.slice(1 + (step % 3)), routing: { idleTimeout: `${100 + step}s` } }),
    () => ({ ...base, routing: { idleTimeout: `${200 + step}s` } }),
    () => ({
      ...base,
      listeners: [{ port: LISTEN_PORT }, { port: ADDED_PORT }],
      routing: { idleTimeout: `${300 + step}s` },
    }),
    () => ({ ...base, dataPlane: { ...base.dataPlane, workers: workersAt(step) } }),
    () => ({ ...base, dataPlane: { ...base.dataPlane, receiveBuffer: `${2 + (step % 5)}Mi` } }),
    () => ({ ...base, backends: all.map(({ port }) => backend(port, port === 4433 + (step % 4) ? 0 : 1)) }),
    () => ({
      ...base,
      routing: { fallback: "ConnectionID", connectionIdLength: 8, idleTimeout: `${400 + step}s` },
    }),
  ];
  return kinds[step % kinds.length]!();
}

const broken = (step: number): string =>
  [
    "",
    manifest(first()).slice(0, -20 - step),
    manifest({ ...first(), listeners: [{ port: 70_000 + step }] }),
    manifest({ ...first(), backends: [{ address: "nowhere", port: step }] }),
    manifest(first()).replace("QuicProxy", `Other${step}`),
    // The addon refuses this one: the control side sees nothing wrong with it.
    manifest({ ...first(), listeners: [{ port: LISTEN_PORT }, { port: 5000 + step, address: "192.0.2.1" }] }),
  ][step % 6]!;

const byFile = (): void => {};
const bySignal = (): void => void proxy.process.kill("SIGHUP");

/** Waits for what a changed file does. */
async function becomes(isSo: (report: CountersReport) => boolean): Promise<CountersReport> {
  let report = await proxy.counters();
  const deadline = Date.now() + 30_000;
  while (!isSo(report) && Date.now() < deadline) {
    await new Promise((wake) => setTimeout(wake, 10));
    report = await proxy.counters();
  }
  return report;
}

async function expectStale(stale: 0 | 1, generation: number): Promise<void> {
  const sample = await proxy.metrics();
  expect(sample("quicproxy_contract_stale")).toBe(stale);
  expect(sample("quicproxy_contract_generation")).toBe(generation);
}

async function roundTrip(port: number): Promise<Received | undefined> {
  const id = await network.openClient({ address: network.topology.client.alternate.v4 });
  await network.send(id, shortHeader(octets(8, `new ${id}`)), port);
  const [answer] = await network.client.take(1);
  await network.client.close(id);
  return answer;
}

const requestPrefix = (flow: number): Buffer =>
  shortHeader(octets(8, `load ${flow}`), { payloadBytes: REQUEST_BYTES - 13 });

/** Each number of a load's requests belongs to a flow; each flow stays at one backend. */
function backendsPerFlow(seen: readonly Received[]): number[] {
  const backends = Array.from({ length: FLOWS }, () => new Set<number>());
  for (const { socket, payload } of seen) {
    if (payload.length !== REQUEST_BYTES) continue;
    backends[payload.readUInt32BE(REQUEST_BYTES - 4) % FLOWS]!.add(socket);
  }
  return backends.map(({ size }) => size);
}

describe.each(["RunToCompletion", "Decoupled"] as const)("%s", (described) => {
  beforeAll(() => {
    mode = described;
  });
  afterAll(() => {
    mode = "RunToCompletion";
  });
  test("good and broken manifests under traffic: every request is answered, by the backend that its flow began with", () =>
    reloadUnderTraffic());
});

async function reloadUnderTraffic(): Promise<void> {
  const address = network.topology.edge.towardClients.v4;
  const flows: number[] = [];
  for (let flow = 0; flow < FLOWS; flow++) flows.push(await network.openClient());
  const loaded = flows.map((socket) => ({ socket, prefix: requestPrefix(socket) }));
  await network.client.startLoad({ flows: loaded, intervalMs: 1, address, port: LISTEN_PORT });
  await expect
    .poll(async () => (await network.client.loadState()).answered, { timeout: 60_000 })
    .toBeGreaterThan(2 * FLOWS);

  let generation = 1;
  for (let step = 0; step < RELOADS; step++) {
    const announce = step % 2 === 0 ? byFile : bySignal;
    if (step % 3 === 2) {
      const { reloads } = await proxy.counters();
      place.write(broken((step - 2) / 3));
      announce();
      const report = await becomes((now) => now.reloads.rejected > reloads.rejected);
      expect(report.staleReason, `step ${step}`).not.toBe("");
      expect(report.generation).toBe(generation);
      await expectStale(1, generation);
      expect((await proxy.get("/readyz")).status).toBe(200);
      continue;
    }
    generation++;
    place.write(manifest(change(step)));
    announce();
    const report = await becomes((now) => now.generation === generation);
    expect({ generation: report.generation, stale: report.staleReason }, `step ${step}`).toEqual({
      generation,
      stale: "",
    });
    await expectStale(0, generation);
    expect(await roundTrip(LISTEN_PORT), `a new flow, step ${step}`).toBeDefined();
    if (change(step).listeners) expect(await roundTrip(ADDED_PORT), `the new listener, step ${step}`).toBeDefined();
  }

  const load = await network.client.stopLoad();
  expect(load.unanswered).toEqual([]);
  expect(load.answered).toBe(load.sent);
  expect(load.sent).toBeGreaterThan(RELOADS * 10);
  const { totals, endpoints, reloads } = await becomes(({ totals }) => checkConservation(totals).length === 0);
  expect(checkConservation(totals)).toEqual([]);
  expect(Object.entries(totals).filter(([name, value]) => name.includes("dropped") && value > 0)).toEqual([]);
  expect(endpoints.map(({ kernelDrops }) => kernelDrops)).toEqual(endpoints.map(() => 0));
  expect(reloads.applied).toBe(generation - 1);
  expect(reloads.rejected).toBeGreaterThanOrEqual(RELOADS / 3);
  expect(backendsPerFlow(await network.backend.take(0))).toEqual(flows.map(() => 1));
  for (const flow of flows) await network.client.close(flow);
}

test("what needs a restart is refused by its name, and the next good manifest ends the refusal", async () => {
  const { dataPlane, ...rest } = first();
  const changes = {
    "dataPlane.mode": { mode: "Baseline" },
    "dataPlane.batch": { batch: 32 },
    "dataPlane.flowMemory": { flowMemory: "8Mi" },
    "dataPlane.upstreamLevel": { upstreamLevel: UPSTREAM_LEVEL === "Auto" ? "Sockets" : "Auto" },
    "dataPlane.upstreamPorts": { upstreamPorts: { first: 20_480, last: 24_575 } },
    "dataPlane.upstreamSockets": { upstreamSockets: 100 },
  };
  const together = ["dataPlane.batch", "dataPlane.flowMemory", "dataPlane.upstreamSockets"] as const;
  const rows: [readonly string[], object][] = [
    ...Object.entries(changes).map(([name, value]): [string[], object] => [[name], value]),
    [together, Object.assign({}, ...together.map((name) => changes[name]))],
  ];
  let rejected = 0;
  for (const [names, value] of rows) {
    place.write(manifest({ ...rest, dataPlane: { ...dataPlane, ...value } }));
    bySignal();
    rejected++;
    const report = await becomes((now) => now.reloads.rejected === rejected);
    expect(report.generation).toBe(1);
    expect(report.staleReason).toContain("cannot be applied to a running proxy");
    expect(report.staleReason).toContain("restart the proxy");
    for (const name of names) expect(report.staleReason).toContain(name);
    await expectStale(1, 1);
    expect(await roundTrip(LISTEN_PORT)).toBeDefined();
  }
  place.write(manifest(first()));
  bySignal();
  expect((await becomes(({ staleReason }) => staleReason === "")).generation).toBe(2);
  await expectStale(0, 2);
});
