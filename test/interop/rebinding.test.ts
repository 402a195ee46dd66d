import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkConservation } from "../../proxy/counters/conservation.ts";
import { runBounded } from "../../proxy/lab/bounded.ts";
import { type Content, createCertificate, createContent } from "../../proxy/lab/content.ts";
import { removeLab } from "../../proxy/lab/namespace.ts";
import type { MappingPlan } from "../../proxy/lab/nat.ts";
import { changedDuringTransfer, startNat } from "../../proxy/lab/nat_process.ts";
import { backendPort, download, ngtcp2 } from "../../proxy/lab/peers.ts";
import { type LabProxy, startProxyProcess } from "../../proxy/lab/proxy_process.ts";
import { createTopology, type Topology } from "../../proxy/lab/topology.ts";
import { findDrops } from "../../proxy/lab/verdict.ts";
import type { CountersReport } from "../../proxy/metrics/report.ts";
import { growthOf } from "./quic_lb_scene.ts";
import { buildQuicGo } from "./quicgo/build.ts";
import { createQuicGoLab, faultsOf, listenerPort, type QuicGoLab } from "./quicgo/lab.ts";

/*
 * C4: clients whose NAT gives them another port or address in the middle of a download, before servers that know nothing of
 * QUIC-LB. All must complete with the server they began with: only that one can answer them.
 */

function expectNoLoss(report: CountersReport): void {
  expect(checkConservation(report.totals)).toEqual([]);
  expect(findDrops(report)).toEqual([]);
}

describe("C4 with quic-go on both sides", () => {
  const connections = 250;
  let lab: QuicGoLab;

  beforeAll(async () => {
    lab = await createQuicGoLab({ programs: buildQuicGo(), fileBytes: 512 * 1024, workers: 3 });
  }, 600_000);
  afterAll(() => lab?.remove());

  test.each([
    ["port", "v4"],
    ["port", "v6"],
    ["address", "v4"],
    ["address", "v6"],
  ] as const)("C4: 250 of 250 quic-go connections survive another %s over IP%s", async (what, family) => {
    const { own, alternate } = lab.topology.client;
    const locals = [own[family], (what === "port" ? own : alternate)[family]];
    const before = await lab.proxy.restingCounters();
    const change = { kind: "rebind", afterOctets: 128 * 1024 } as const;
    const report = await lab.run(family, { connections, parallel: 10, change, locals, timeoutMs: 60_000 });
    expect(faultsOf(report)).toEqual([]);
    expect(report.connections.filter(({ paths }) => paths.length === 2)).toHaveLength(connections);
    const after = await lab.proxy.restingCounters();
    // Now and then a client comes from the address and port of an earlier one, and its flow is there already.
    const readdressed = growthOf(before, after).flow_readdressed;
    expect(readdressed).toBeLessThanOrEqual(connections);
    expect(readdressed).toBeGreaterThan(0.9 * connections);
    expectNoLoss(after);
  });
});

describe("C4 with ngtcp2 on both sides", () => {
  const connections = 100;
  const concurrency = 6;
  let topology: Topology;
  let content: Content;
  let proxy: LabProxy;

  beforeAll(async () => {
    topology = createTopology();
    const { directory, backends } = topology;
    const certificate = createCertificate(directory);
    const names = backends.map(({ name }) => name);
    content = createContent(directory, names, { "content.bin": 512 * 1024 })[0]!;
    await Promise.all(backends.map((place) => ngtcp2.startServer({ place, directory, certificate })));
    const manifest = join(directory, "edge.yaml");
    const addresses = backends.map(({ v4, v6 }, index) => ({ address: index === 1 ? v6 : v4, port: backendPort }));
    writeFileSync(
      manifest,
      JSON.stringify({
        apiVersion: "quicproxy.io/v1alpha1",
        kind: "QuicProxy",
        metadata: { name: "edge" },
        spec: {
          listeners: [{ port: listenerPort }],
          backends: { static: addresses },
          dataPlane: { workers: { min: 3, max: 3 } },
        },
      }),
    );
    proxy = await startProxyProcess(topology, manifest);
  });
  afterAll(() => topology && removeLab(topology.name));

  test("C4: 100 of 100 ngtcp2 connections survive a NAT that changes port or address, over IPv4 and IPv6", async () => {
    const { own, alternate, namespace } = topology.client;
    const plans = Array.from({ length: connections }, (_, index): MappingPlan => {
      const family = index % 2 === 0 ? "v4" : "v6";
      const next = index % 4 >= 2 ? alternate : own;
      return {
        inner: { address: family === "v4" ? "127.0.0.1" : "::1", port: 7001 + index },
        remote: { address: topology.edge.towardClients[family], port: listenerPort },
        // Below the kernel's ephemeral range: nobody else comes from there.
        outer: [
          { address: own[family], port: 20_001 + 2 * index },
          { address: next[family], port: 20_002 + 2 * index },
        ],
        rebindAfter: 100,
      };
    });
    const before = await proxy.restingCounters();
    const nat = await startNat(topology, plans);
    const common = { stack: ngtcp2, namespace, directory: topology.directory, content };
    const downloads = await runBounded(plans, concurrency, ({ inner }) =>
      download({ ...common, name: `nat-${inner.port}`, target: inner }),
    );
    const mappings = await nat.stop();
    expect(downloads.flatMap(({ name, fault }) => (fault === undefined ? [] : [`${name}: ${fault}`]))).toEqual([]);
    expect(mappings.filter(changedDuringTransfer)).toHaveLength(connections);
    const after = await proxy.restingCounters();
    expect(growthOf(before, after).flow_readdressed).toBe(connections);
    expectNoLoss(after);
  });
});
