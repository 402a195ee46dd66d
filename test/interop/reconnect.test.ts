import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { afterEach, beforeAll, expect, test } from "vitest";
import type { QuicGoPrograms } from "../../proxy/lab/quicgo.ts";
import { buildQuicGo } from "./quicgo/build.ts";
import { createQuicGoLab, faultsOf, type QuicGoLab } from "./quicgo/lab.ts";

/*
 * stuck, with quic-go on both sides: a client whose connections have one socket makes further ones after the server of
 * the first takes none. They go elsewhere at once, and the first goes on.
 */

let programs: QuicGoPrograms;
let lab: QuicGoLab | undefined;

beforeAll(() => {
  programs = buildQuicGo();
}, 900_000);
afterEach(() => {
  lab?.remove();
  lab = undefined;
});

const again = 6;
const timeoutMs = 60_000;

interface StaticBackend {
  address: string;
  weight?: number;
}

interface Backends {
  static: StaticBackend[];
  health?: object;
}

/** A running proxy applies it by itself. */
function rewrite(file: string, change: (backends: Backends) => void): void {
  const manifest = JSON.parse(readFileSync(file, "utf8")) as { spec: { backends: Backends } };
  change(manifest.spec.backends);
  writeFileSync(`${file}.new`, JSON.stringify(manifest));
  renameSync(`${file}.new`, file);
}

/** Without these backends, or with weight 0 for them. */
function retire(file: string, addresses: readonly string[], kind: "gone" | "weight0"): void {
  rewrite(file, (backends) => {
    const retired = backends.static.map((one) => (addresses.includes(one.address) ? { ...one, weight: 0 } : one));
    backends.static = retired.filter(({ weight }) => kind === "weight0" || weight !== 0);
  });
}

test.each([
  ["left the manifest", "gone", 8],
  ["left the manifest, the client's IDs are empty", "gone", 0],
  ["has weight 0", "weight0", 8],
  ["has weight 0, the client's IDs are empty", "weight0", 0],
] as const)("stuck: quic-go reconnects from the socket of a connection whose server %s", async (_, kind, connectionIdLength) => {
  lab = await createQuicGoLab({ programs, fileBytes: 2 * 1024 * 1024 });
  const { proxy, topology, manifestFile } = lab;
  const held = await lab.hold("v4", { connections: 1, again, connectionIdLength, timeoutMs });
  const { backends, generation } = await proxy.counters();
  const used = backends.filter(({ flowsCreated }) => flowsCreated > 0).map(({ address }) => address);
  expect(used).toHaveLength(1);
  retire(manifestFile, used, kind);
  await expect.poll(async () => (await proxy.counters()).generation, { timeout: timeoutMs }).toBe(generation + 1);
  const old = topology.backends.find(({ v4, v6 }) => used.includes(v4) || used.includes(v6))!.name;
  const young = await held.again();
  const report = await held.finish();
  expect(faultsOf(report)).toEqual([]);
  expect(young).toHaveLength(again);
  expect(young.map(({ server }) => server)).not.toContain(old);
  expect(report.connections.find(({ connection }) => connection === 0)!.server).toBe(old);
});

test.each([
  ["", 8],
  [", the client's IDs are empty", 0],
] as const)("stuck: quic-go reconnects from the socket of a connection whose server is silent%s", async (_, connectionIdLength) => {
  lab = await createQuicGoLab({ programs, fileBytes: 2 * 1024 * 1024 });
  const { proxy, topology, manifestFile, servers } = lab;
  // What has been found is not tried again meanwhile.
  rewrite(manifestFile, (backends) => {
    backends.health = { backoff: "1h", passive: { window: "3s" } };
  });
  await expect.poll(async () => (await proxy.counters()).generation, { timeout: timeoutMs }).toBe(2);
  const held = await lab.hold("v4", { connections: 1, again, connectionIdLength, timeoutMs });
  const used = (await proxy.counters()).backends.findIndex(({ flowsCreated }) => flowsCreated > 0);
  const { address } = (await proxy.counters()).backends[used]!;
  const old = topology.backends.findIndex(({ v4, v6 }) => address === v4 || address === v6);
  process.kill(servers[old]!.pid, "SIGSTOP");
  const isDown = async (): Promise<boolean> => {
    // Those that come to it meet nobody.
    await lab!.run("v4", { connections: 12, parallel: 12, timeoutMs: 1000 });
    return (await proxy.counters()).backends[used]!.weight === 0;
  };
  await expect.poll(isDown, { timeout: timeoutMs }).toBe(true);
  const young = await held.again();
  process.kill(servers[old]!.pid, "SIGCONT");
  const report = await held.finish();
  expect(faultsOf(report)).toEqual([]);
  expect(young).toHaveLength(again);
  expect(young.map(({ server }) => server)).not.toContain(topology.backends[old]!.name);
  expect(report.connections.find(({ connection }) => connection === 0)!.server).toBe(topology.backends[old]!.name);
});
