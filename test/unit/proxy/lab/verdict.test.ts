import { expect, test } from "vitest";
import { COUNTERS } from "../../../../proxy/counters/names.generated.ts";
import type { CounterTotals } from "../../../../proxy/counters/read.ts";
import type { DownloadResult } from "../../../../proxy/lab/peers.ts";
import type { ScenarioResult } from "../../../../proxy/lab/scenario.ts";
import { findDrops, findFaults } from "../../../../proxy/lab/verdict.ts";
import type { CountersReport } from "../../../../proxy/metrics/report.ts";

const names = new Map([
  ["10.79.2.11", "backend-1"],
  ["10.79.2.12", "backend-2"],
]);

function totals(some: Partial<CounterTotals>): CounterTotals {
  return { ...(Object.fromEntries(COUNTERS.map(({ name }) => [name, 0])) as CounterTotals), ...some };
}

function counters(flows: [number, number], some: Partial<CounterTotals>): CountersReport {
  const backends = [...names.keys()].map((address, index) => ({ address, flowsCreated: flows[index] }));
  return { totals: totals(some), backends, endpoints: [] } as unknown as CountersReport;
}

const done = (name: string, backend: string): DownloadResult => ({
  name,
  backend,
  fault: undefined,
  bytes: 1,
  durationMs: 1,
});

/** Two plain downloads and one roaming, all as promised. */
function goodRun(): ScenarioResult {
  return {
    downloads: [done("plain-1", "backend-1"), done("plain-2", "backend-2")],
    roaming: [
      { download: done("roaming-0", "backend-2"), mapping: { outer: [], sent: [5, 5], received: [9, 9], late: 0 } },
    ],
    counters: counters([1, 3], { flow_readdressed: 1 }),
    durationMs: 1,
  };
}

test("a good run has no fault", () => {
  expect(findFaults(goodRun(), names)).toEqual([]);
});

test("a failed download is one fault and excuses the flows it may have made", () => {
  const run = goodRun();
  run.downloads[0] = { ...run.downloads[0]!, backend: undefined, fault: "content.bin did not arrive" };
  run.counters = counters([0, 4], { flow_readdressed: 1 });
  expect(findFaults(run, names)).toEqual(["download plain-1: content.bin did not arrive"]);
});

test("a flow too many means that a backend saw another's connection", () => {
  const run = { ...goodRun(), counters: counters([2, 3], { flow_readdressed: 1 }) };
  expect(findFaults(run, names)).toEqual(["backend-1 got 2 flows, but the connections it answered make at most 1"]);
});

test("an address that did not change while data flowed", () => {
  const run = goodRun();
  run.roaming[0]!.mapping = { outer: [], sent: [5, 0], received: [9, 0], late: 0 };
  run.counters = counters([1, 2], {});
  expect(findFaults(run, names)).toEqual(["roaming-0: its address did not change during the transfer"]);
});

test("a change that the proxy did not notice", () => {
  const run = { ...goodRun(), counters: counters([1, 2], {}) };
  expect(findFaults(run, names)).toEqual(["1 clients changed their address, the proxy noticed 0"]);
});

test("counters that do not add up", () => {
  const run = { ...goodRun(), counters: counters([1, 3], { flow_readdressed: 1, return_received: 3, return_sent: 2 }) };
  expect(findFaults(run, names)).toEqual([expect.stringContaining("counters do not add up: return_received")]);
});

test("drops are listed in the order of the path, the kernel's first", () => {
  const report = counters([0, 0], { return_dropped_error: 1, route_dropped_no_backend: 2, forward_sent: 5 });
  report.endpoints.push({ address: "::", port: 443, kernelDrops: 3 } as CountersReport["endpoints"][number]);
  expect(findDrops(report)).toEqual([
    { where: "receive buffer of :: port 443", datagrams: 3 },
    { where: "route_dropped_no_backend", datagrams: 2 },
    { where: "return_dropped_error", datagrams: 1 },
  ]);
});
