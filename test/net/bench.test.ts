import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { oneWorker, routed, startContenders } from "../bench/contender/contender.ts";
import { readCounters } from "../bench/contender/quicproxy.ts";
import { runLoad } from "../bench/load.ts";
import { measureOnce } from "../bench/measure.ts";
import { withBench, withLab } from "../bench/scenario.ts";
import { startSite, transfer } from "../bench/transfer.ts";

const root = resolve(import.meta.dirname, "../..");
/** Slow enough for any machine. */
const rate = 400;

beforeAll(() => {
  const programs = ["build/bench/udp_load", "build/bench/udp_echo"];
  execFileSync("make", programs, { cwd: root, stdio: "pipe" });
});

test("single datagrams and trains come back by routing and through the proxy, which is what costs", () =>
  withBench("nice", async (bench) => {
    const contenders = await startContenders(bench.lab, [routed, oneWorker]);
    for (const contender of contenders) {
      for (const train of [1, 8]) {
        const plan = { flows: 40, burst: train, train, rate, seconds: 0.5, round: 0 };
        const one = await measureOnce(bench, contender, plan);
        expect(one, contender.name).toMatchObject({ roundTrips: 200, loss: 0, bufferErrors: 0, train });
        expect(one.p99Us).toBeGreaterThanOrEqual(one.p50Us);
        if (contender.process === undefined) expect(one.processUs).toBe(0);
        else expect(one.workersUs).toBeGreaterThan(0);
      }
    }
    expect(contenders[1]?.levels?.upstreamLevel).toMatch(/\w+/);
    expect(contenders[1]?.levels?.steering).toMatch(/\w+/);
  }));

test("each flow has an address of its own, and each backend answers from its own", () =>
  withBench("nice", async ({ lab }) => {
    const [proxied] = await startContenders(lab, [
      { kind: "quicproxy", name: "two backends", workers: 1, backends: 2 },
    ]);
    const report = await runLoad(lab, proxied!.target, { flows: 300, rate, burst: 1, train: 1, count: 300 });
    expect(report).toMatchObject({ sent: 300, received: 300, failed: 0 });
    const counters = await readCounters(proxied!.edge.namespace, proxied!.metricsUrl!);
    expect(counters.totals.flow_created).toBe(300);
    expect(counters.backends.map(({ returned }) => returned > 0)).toEqual([true, true]);
  }));

test("HTTP/3 moves a body both ways, and a body that does not arrive is a fault", () =>
  withLab("nice", async (lab) => {
    const site = await startSite(lab, 1);
    const [, proxied] = await startContenders(lab, [routed, oneWorker]);
    for (const direction of ["download", "upload"] as const) {
      expect((await transfer(site, direction, proxied!.target)).seconds).toBeGreaterThan(0);
    }
    const more = { ...site, bytes: site.bytes * 10 };
    await expect(transfer(more, "download", proxied!.target)).rejects.toThrow("of 10000000 octets passed");
  }));
