import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runBounded } from "../../proxy/lab/bounded.ts";
import { type Content, createCertificate, createContent } from "../../proxy/lab/content.ts";
import { removeLab } from "../../proxy/lab/namespace.ts";
import { backendPort, type DownloadResult, download, ngtcp2 } from "../../proxy/lab/peers.ts";
import { type LabProxy, startProxyProcess } from "../../proxy/lab/proxy_process.ts";
import { createTopology, type Topology } from "../../proxy/lab/topology.ts";
import { admitStrangers, type Flood, flood } from "../net/attack_scene.ts";

/*
 * Floods that real servers answer: ngtcp2, which sends Retry to strangers and Version Negotiation to those of unknown
 * versions. Honest clients connect meanwhile and afterwards, and the strangers' flows end by themselves.
 */

let topology: Topology;
let content: Content;

beforeAll(async () => {
  topology = createTopology();
  const { directory, backends } = topology;
  admitStrangers(topology);
  const certificate = createCertificate(directory);
  const names = backends.map(({ name }) => name);
  content = createContent(directory, names, { "content.bin": 64 * 1024 })[0]!;
  const servers = backends.map((place) => ngtcp2.startServer({ place, directory, certificate, validateAddress: true }));
  await Promise.all(servers);
});
afterAll(() => topology && removeLab(topology.name));

async function startProxy(dataPlane: object, idleTimeout: string): Promise<LabProxy> {
  const manifest = join(topology.directory, "edge.yaml");
  const backends = topology.backends.map(({ v4 }) => ({ address: v4, port: backendPort }));
  const spec = {
    listeners: [{ port: 443 }],
    backends: { static: backends },
    routing: { idleTimeout },
    dataPlane: { workers: { min: 2, max: 2 }, ...dataPlane },
  };
  const metadata = { name: "edge" };
  writeFileSync(manifest, JSON.stringify({ apiVersion: "quicproxy.io/v1alpha1", kind: "QuicProxy", metadata, spec }));
  return startProxyProcess(topology, manifest);
}

let serial = 0;
function downloads(count: number): Promise<DownloadResult[]> {
  const { client, directory, edge } = topology;
  const target = { address: edge.towardClients.v4, port: 443 };
  const common = { stack: ngtcp2, namespace: client.namespace, directory, content, target };
  return runBounded(Array.from({ length: count }), 4, () => download({ ...common, name: `honest-${serial++}` }));
}

const CLIENTS = 40;
const LIMIT_MS = 60_000;

const small = { flowMemory: "1Mi" };
const fewPorts = { upstreamPorts: { first: 20_480, last: 20_991 } };

test.each([
  [
    "answered_initials, three times the flow table",
    { dataPlane: small, idleTimeout: "120s", kind: "initial", count: 12_000 },
  ],
  [
    "answered_initials, more than the source ports toward a backend",
    { dataPlane: fewPorts, idleTimeout: "5s", kind: "initial", count: 4_000 },
  ],
  [
    "answered_unknown_versions, three times the flow table",
    { dataPlane: small, idleTimeout: "5s", kind: "unknown", count: 12_000 },
  ],
  [
    "answered_resets, three times the flow table",
    { dataPlane: small, idleTimeout: "5s", kind: "short", count: 12_000 },
  ],
] as const)("%s: honest clients are served meanwhile, and the strangers' flows end", async (_, attacked) => {
  const { dataPlane, idleTimeout, kind, count } = attacked;
  const proxy = await startProxy(dataPlane, idleTimeout);
  try {
    const attack: Flood = { kind, count, ratePps: count / 5 };
    const ended = flood(topology, attack);
    const meanwhile = await downloads(CLIENTS);
    await ended;
    const afterwards = await downloads(CLIENTS);
    const faults = [...meanwhile, ...afterwards].flatMap(({ fault }) => (fault === undefined ? [] : [fault]));
    const { totals } = await proxy.counters();
    expect(totals.flow_evicted, "the table was full").toBeGreaterThan(0);
    expect(totals.return_received, "the servers answer strangers").toBeGreaterThan(count / 4);
    expect(faults.length, faults.join("\n")).toBeLessThanOrEqual(0.01 * 2 * CLIENTS);
    // Strangers' end after 30 s or the idle timeout. Those of the honest clients are confirmed and stay until they are idle.
    const flows = async (): Promise<number> =>
      (await proxy.counters()).workers.reduce((sum, { gauges }) => sum + gauges.flows, 0);
    await expect.poll(flows, { timeout: LIMIT_MS, interval: 500 }).toBeLessThanOrEqual(2 * CLIENTS);
  } finally {
    await proxy.stop();
  }
});
