import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { checkConservation } from "../../proxy/counters/conservation.ts";
import { type Content, createCertificate, createContent } from "../../proxy/lab/content.ts";
import { removeLab } from "../../proxy/lab/namespace.ts";
import { backendPort, type DownloadResult, ngtcp2, type Stack } from "../../proxy/lab/peers.ts";
import { type LabProxy, startProxyProcess } from "../../proxy/lab/proxy_process.ts";
import { type BackendPlace, createTopology, type Topology } from "../../proxy/lab/topology.ts";
import { findDrops } from "../../proxy/lab/verdict.ts";
import type { CountersReport } from "../../proxy/metrics/report.ts";
import { aioquic } from "./aioquic/stack.ts";

/*
 * Eight servers of two stacks on one edge, with a proxy of three workers for each kind and, in two modes, one for
 * servers of both stacks, whose Connection IDs differ in length.
 */

export const stacks = { ngtcp2, aioquic } as const;
export const fleets = [
  "ngtcp2",
  "aioquic",
  "ngtcp2 with Retry",
  "aioquic with Retry",
  "both stacks",
  "both stacks, Decoupled",
] as const;
export type FleetName = (typeof fleets)[number];

export interface Fleet {
  port: number;
  proxy: LabProxy;
}

export interface Scene {
  topology: Topology;
  content: Content;
  fleets: Record<FleetName, Fleet>;
  remove(): void;
}

const contentBytes = 512 * 1024;
const firstListenerPort = 443;
const firstMetricsPort = 9464;

/** Two servers of each kind, in this order. */
const kinds: readonly { stack: Stack; validateAddress: boolean }[] = [
  { stack: ngtcp2, validateAddress: false },
  { stack: aioquic, validateAddress: false },
  { stack: ngtcp2, validateAddress: true },
  { stack: aioquic, validateAddress: true },
];
const serversPerKind = 2;

function serversOf(fleet: number, places: readonly BackendPlace[]): readonly BackendPlace[] {
  const isMixed = fleet >= kinds.length;
  return places.slice(
    isMixed ? 0 : fleet * serversPerKind,
    isMixed ? 2 * serversPerKind : (fleet + 1) * serversPerKind,
  );
}

/** Every second backend by IPv6, whatever the client's family is. */
function manifestText(fleet: number, places: readonly BackendPlace[]): string {
  const backends = serversOf(fleet, places).map(({ v4, v6 }, index) => ({
    address: index % 2 === 0 ? v4 : v6,
    port: backendPort,
  }));
  const mode = fleets[fleet]!.endsWith("Decoupled") ? "Decoupled" : "RunToCompletion";
  return JSON.stringify({
    apiVersion: "quicproxy.io/v1alpha1",
    kind: "QuicProxy",
    metadata: { name: `fleet-${fleet}` },
    spec: {
      listeners: [{ port: firstListenerPort + fleet }],
      backends: { static: backends },
      dataPlane: { mode, workers: { min: 3, max: 3 }, flowMemory: "16Mi" },
    },
  });
}

async function startFleet(topology: Topology, index: number): Promise<Fleet> {
  const manifest = join(topology.directory, `fleet-${index}.yaml`);
  writeFileSync(manifest, manifestText(index, topology.backends));
  return {
    port: firstListenerPort + index,
    proxy: await startProxyProcess(topology, manifest, firstMetricsPort + index),
  };
}

export async function createScene(): Promise<Scene> {
  const topology = createTopology({ backends: kinds.length * serversPerKind });
  const { directory, backends } = topology;
  try {
    const certificate = createCertificate(directory);
    const names = backends.map(({ name }) => name);
    const content = createContent(directory, names, { "content.bin": contentBytes })[0]!;
    const servers = backends.map((place, index) => {
      const { stack, validateAddress } = kinds[Math.floor(index / serversPerKind)]!;
      return stack.startServer({ place, directory, certificate, validateAddress });
    });
    await Promise.all(servers);
    const started = await Promise.all(fleets.map((_, index) => startFleet(topology, index)));
    const byName = Object.fromEntries(fleets.map((name, index) => [name, started[index]!])) as Scene["fleets"];
    return { topology, content, fleets: byName, remove: () => removeLab(topology.name) };
  } catch (error) {
    removeLab(topology.name);
    throw error;
  }
}

export interface Expected {
  downloads: readonly DownloadResult[];
  /** Connections whose address changed, once each. */
  changes: number;
}

/**
 * Every content right, every connection with one server from start to end, no datagram lost or uncounted. A connection
 * that a second server saw makes one flow more there than that server answered connections. Fewer flows are possible:
 * a client may come from the address and port of an earlier one.
 */
export function expectServed(
  { topology }: Scene,
  counters: [CountersReport, CountersReport],
  expected: Expected,
): void {
  const [before, after] = counters;
  const { downloads, changes } = expected;
  expect(downloads.flatMap(({ name, fault }) => (fault === undefined ? [] : [`${name}: ${fault}`]))).toEqual([]);
  expect(after.totals.flow_readdressed - before.totals.flow_readdressed).toBe(changes);
  expect(checkConservation(after.totals)).toEqual([]);
  expect(findDrops(after)).toEqual([]);
  const flowsPerConnection = changes > 0 ? 2 : 1;
  for (const { name, v4, v6 } of topology.backends) {
    const ownFlows = (report: CountersReport): number =>
      report.backends.filter(({ address }) => address === v4 || address === v6)[0]?.flowsCreated ?? 0;
    const answered = downloads.filter(({ backend }) => backend === name).length;
    expect(ownFlows(after) - ownFlows(before), `flows to ${name}`).toBeLessThanOrEqual(flowsPerConnection * answered);
  }
}
