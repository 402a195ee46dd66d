import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { logEnd } from "../../proxy/lab/child.ts";
import { type LabProxy, startProxyProcess } from "../../proxy/lab/proxy_process.ts";
import type { HeldDownloads } from "../../proxy/lab/quicgo.ts";
import { growthOf } from "./quic_lb_scene.ts";
import { buildQuicGo } from "./quicgo/build.ts";
import { createQuicGoLab, faultsOf, type IdLayout, type QuicGoLab } from "./quicgo/lab.ts";

/* Lines of docs/promises.md that no other test has: what becomes of live connections when the proxy or its manifest does. */

const routable: IdLayout = {
  rotation: 2,
  serverIdLength: 8,
  nonceLength: 8,
  key: "8f95f09245765f80256934e50c66207f",
};
const connections = 12;
/** Lasts longer than what happens meanwhile, as slowly as downloads go while they are held. */
const fileBytes = 8 * 1024 * 1024;
const timeoutMs = 120_000;
const metricsPorts = { first: 9464, other: 9465 };

const programs = buildQuicGo();

const late = { kind: "rebind", afterOctets: (fileBytes * 7) / 8 } as const;

describe.each([
  ["without QUIC-LB", undefined],
  ["with QUIC-LB", routable],
] as const)("servers %s", (_, ids) => {
  let lab: QuicGoLab;
  let proxy: LabProxy;

  beforeAll(async () => {
    lab = await createQuicGoLab({ programs, fileBytes, ...(ids ? { ids } : {}) });
    proxy = lab.proxy;
  }, 600_000);
  afterAll(() => lab?.remove());

  /** With QUIC-LB the address may change as well: the server ID needs no memory. */
  function plan(): object {
    const { own, alternate } = lab.topology.client;
    return ids ? { change: late, locals: [own.v4, alternate.v4] } : {};
  }

  const begin = (more: object = {}): Promise<HeldDownloads> => lab.hold("v4", { connections, timeoutMs, ...more });

  async function expectServed(downloads: HeldDownloads): Promise<void> {
    const report = await downloads.finish();
    expect(faultsOf(report), logEnd(proxy.child.logFile)).toEqual([]);
    const servers = new Set(report.connections.map(({ server }) => server));
    expect(servers.size, "not all on one server by chance").toBeGreaterThan(1);
  }

  test("live connections outlast a restart of the proxy", async () => {
    const downloads = await begin(plan());
    await proxy.stop();
    proxy = await startProxyProcess(lab.topology, lab.manifestFile, metricsPorts.first);
    await expectServed(downloads);
    expect((await proxy.counters()).totals.flow_created).toBeGreaterThanOrEqual(connections);
  });

  test("live connections go on through another proxy with the same hash key", async () => {
    const { directory } = lab.topology;
    const state = (port: number): string => join(directory, `state-${port}`);
    mkdirSync(state(metricsPorts.other), { recursive: true, mode: 0o700 });
    const key = "default.quicgo.key";
    copyFileSync(join(state(metricsPorts.first), key), join(state(metricsPorts.other), key));
    const downloads = await begin(plan());
    await proxy.stop();
    proxy = await startProxyProcess(lab.topology, lab.manifestFile, metricsPorts.other);
    await expectServed(downloads);
  });

  test("live connections go on while the number of workers changes", async () => {
    const downloads = await begin();
    const { status } = await proxy.counters();
    for (const workers of [1, 4, status.workers]) {
      lab.serve(undefined, workers);
      await expect.poll(async () => (await proxy.counters()).status.workers, { timeout: 60_000 }).toBe(workers);
      const { totals } = await proxy.counters();
      const forwarded = async (): Promise<number> => (await proxy.counters()).totals.forward_sent;
      await expect.poll(forwarded, { timeout: 60_000 }).toBeGreaterThan(totals.forward_sent + connections);
    }
    await expectServed(downloads);
  });

  test("a backend that leaves the manifest keeps its live connections and gets no new one", async () => {
    const downloads = await begin();
    const { reloads } = await proxy.counters();
    lab.serve([1, 2]);
    await expect
      .poll(async () => (await proxy.counters()).reloads.applied, { timeout: 60_000 })
      .toBe(reloads.applied + 1);
    await expectServed(downloads);
    const young = await lab.run("v4", { connections: 6, parallel: 6, timeoutMs });
    expect(faultsOf(young)).toEqual([]);
    expect(young.connections.map(({ server }) => server)).not.toContain("backend-1");
  });
});

describe("Connection IDs that tell nothing", () => {
  let lab: QuicGoLab | undefined;
  afterEach(() => {
    lab?.remove();
    lab = undefined;
  });

  test("clients with zero-length IDs keep their servers when their address changes", async () => {
    lab = await createQuicGoLab({ programs });
    const { own, alternate } = lab.topology.client;
    const change = { kind: "rebind", afterOctets: 256 * 1024 } as const;
    for (const family of ["v4", "v6"] as const) {
      const locals = [own[family], alternate[family]];
      const report = await lab.run(family, { connectionIdLength: 0, change, locals, timeoutMs: 60_000 });
      expect(faultsOf(report)).toEqual([]);
    }
  });

  test("servers with zero-length IDs serve from one address; after a change the fallback decides", async () => {
    lab = await createQuicGoLab({ programs, zeroLengthIds: true });
    const still = await lab.run("v4", { connections: 1 });
    expect(faultsOf(still)).toEqual([]);
    const before = await lab.proxy.restingCounters();
    const { own, alternate } = lab.topology.client;
    const change = { kind: "rebind", afterOctets: 256 * 1024 } as const;
    await lab.run("v6", { connections: 1, change, locals: [own.v6, alternate.v6], timeoutMs: 3000 });
    const { route_fallback, route_dcid, flow_readdressed } = growthOf(before, await lab.proxy.restingCounters());
    expect({ route_fallback, route_dcid, flow_readdressed }).toEqual({
      route_fallback: 2,
      route_dcid: 0,
      flow_readdressed: 0,
    });
  });

  test("a client that migrates to an ID that nobody has seen goes by fallback", async () => {
    lab = await createQuicGoLab({ programs });
    const before = await lab.proxy.restingCounters();
    const { own, alternate } = lab.topology.client;
    const change = { kind: "migrate", afterOctets: 256 * 1024 } as const;
    await lab.run("v4", { connections: 6, parallel: 6, change, locals: [own.v4, alternate.v4], timeoutMs: 3000 });
    const growth = growthOf(before, await lab.proxy.restingCounters());
    expect(growth.route_fallback).toBe(2 * 6);
    expect(growth.flow_readdressed).toBe(0);
  });
});
