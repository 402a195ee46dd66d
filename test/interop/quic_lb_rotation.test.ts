import { afterAll, beforeAll, expect, test } from "vitest";
import { logEnd } from "../../proxy/lab/child.ts";
import type { LabProxy } from "../../proxy/lab/proxy_process.ts";
import { faultsOf, growthOf, type LabBackend, type LabConfig, QuicLbScene } from "./quic_lb_scene.ts";
import { buildQuicGo } from "./quicgo/build.ts";

/*
 * A key is changed while connections live: the new config goes to the proxy, then to the servers, and the old one leaves
 * the proxy last. Two servers drain under the old config while two take new connections under the new one.
 */

const old: LabConfig = { rotation: 0, serverIdLength: 8, nonceLength: 8, key: "8f95f09245765f80256934e50c66207f" };
const renewed: LabConfig = { ...old, rotation: 1, key: "fdf726a9893ec05c0632d3956680baf0" };
const workers = 2;
const oldConnections = 12;
/** Lasts longer than both reloads, as slowly as downloads go while they are held. */
const oldFileBytes = 8 * 1024 * 1024;

let scene: QuicLbScene;
let proxy: LabProxy;
let draining: LabBackend[];
let fresh: LabBackend[];

beforeAll(async () => {
  scene = new QuicLbScene(buildQuicGo(), 4, { "small.bin": 64 * 1024, "large.bin": oldFileBytes });
  const backends = scene.backends(old.serverIdLength);
  draining = backends.slice(0, 2);
  fresh = backends.slice(2);
  await Promise.all(draining.map((backend) => scene.startServer(backend, old)));
  proxy = await scene.startProxy({ configs: [old], backends: draining, workers });
}, 600_000);

afterAll(() => scene?.remove());

/** Until so many changes of the manifest were applied and every worker routes by the last of them. */
async function untilApplied(changes: number): Promise<void> {
  const present = async (): Promise<{ applied: number; late: number }> => {
    const { reloads, generation, workers } = await proxy.counters();
    return { applied: reloads.applied, late: workers.filter(({ gauges }) => gauges.generation !== generation).length };
  };
  await expect.poll(present, { timeout: 60_000 }).toEqual({ applied: changes, late: 0 });
}

const nobody = (backends: readonly LabBackend[]): LabBackend[] =>
  backends.map((backend) => ({ ...backend, weight: 0 }));

test("connections of the old config move about and complete while the new one comes, then the old one goes", async () => {
  const { own, alternate } = scene.topology.client;
  const surviving = await scene.holdClient("v4", {
    connections: oldConnections,
    parallel: oldConnections,
    files: ["large.bin"],
    change: { kind: "rebind", afterOctets: oldFileBytes / 4, times: 3 },
    locals: [own.v4, alternate.v4],
    timeoutMs: 120_000,
  });
  scene.configure({ configs: [old, renewed], backends: draining, workers });
  await untilApplied(1);
  await Promise.all(fresh.map((backend) => scene.startServer(backend, renewed)));
  scene.configure({ configs: [old, renewed], backends: [...nobody(draining), ...fresh], workers });
  await untilApplied(2);
  const between = await proxy.counters();

  const young = await scene.runClient("v6", {
    connections: 20,
    files: ["small.bin"],
    change: { kind: "migrate", afterOctets: 16 * 1024 },
    locals: [own.v6, alternate.v6],
  });
  expect(faultsOf(young)).toEqual([]);
  expect(serversOf(young)).toEqual(["backend-3", "backend-4"]);

  const aged = await surviving.finish();
  expect(faultsOf(aged)).toEqual([]);
  expect(serversOf(aged)).toEqual(["backend-1", "backend-2"]);
  const growth = growthOf(between, await proxy.restingCounters());
  // 20 young connections make two flows each; the rest are of old ones that moved after both reloads.
  expect(growth.flow_created).toBeGreaterThan(40);
  expect(growth.route_dcid).toBe(0);
});

test("without the old config, its Connection IDs are not routable any more, and the new ones are", async () => {
  scene.configure({ configs: [renewed], backends: fresh, workers });
  await untilApplied(3);
  const before = await proxy.restingCounters();
  const report = await scene.runClient("v4", { connections: 10, files: ["small.bin"] });
  expect(faultsOf(report)).toEqual([]);
  const growth = growthOf(before, await proxy.restingCounters());
  expect(growth.route_quic_lb).toBeGreaterThan(0);
  expect({ first: growth.route_fallback + growth.route_four_tuple, dcid: growth.route_dcid }).toEqual({
    first: 10,
    dcid: 0,
  });
});

test("the server ID decides: with those of two servers exchanged, no connection completes", async () => {
  const [one, other] = fresh as [LabBackend, LabBackend];
  const exchanged = [
    { ...one, serverId: other.serverId },
    { ...other, serverId: one.serverId },
  ];
  scene.configure({ configs: [renewed], backends: exchanged, workers });
  await untilApplied(4);
  const report = await scene.runClient("v4", { connections: 4, files: ["small.bin"], timeoutMs: 2000 });
  expect(faultsOf(report), `${JSON.stringify(report)}\n${logEnd(proxy.child.logFile)}`).toHaveLength(4);
});

function serversOf({ connections }: { connections: { server?: string }[] }): string[] {
  return [...new Set(connections.map(({ server }) => server ?? "none"))].sort();
}
