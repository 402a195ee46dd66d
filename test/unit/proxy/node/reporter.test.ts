import { beforeEach, describe, expect, it } from "vitest";
import { type QuicProxyNodeStatus, quicProxyNodeStatusShape } from "../../../../crds/status_schema.ts";
import { ApiError } from "../../../../kube/errors.ts";
import type { CountersReport } from "../../../../proxy/metrics/report.ts";
import { Reporter } from "../../../../proxy/node/reporter.ts";
import { type AgentState, nodeStatus } from "../../../../proxy/node/status.ts";
import { fakeHealth, fakeReport } from "../metrics/reports.ts";

const IN_FORCE: AgentState = {
  appliedGeneration: 7,
  appliedBackends: 9,
  leftOut: [],
  drained: false,
  source: "ApiServer",
  problem: undefined,
};

let sent: QuicProxyNodeStatus[];
let errors: string[];
let failWith: Error | undefined;
let state: AgentState;
let report: CountersReport | undefined;
let nowMs: number;
let reporter: Reporter;

beforeEach(() => {
  sent = [];
  errors = [];
  failWith = undefined;
  state = IN_FORCE;
  report = fakeReport();
  nowMs = 0;
  reporter = new Reporter({
    client: {
      apply: async (object) => {
        if (failWith) throw failWith;
        sent.push((object as unknown as { status: QuicProxyNodeStatus }).status);
        return object;
      },
    },
    namespace: "media",
    name: "edge.node-1",
    version: "1",
    state: () => state,
    report: () => report,
    onError: ({ message }) => errors.push(message),
    clock: () => nowMs,
    now: () => Date.UTC(2026, 1, 3) + nowMs,
    random: () => 1,
  });
});

const tickAt = async (ms: number): Promise<number> => {
  nowMs = ms;
  await reporter.tick();
  return sent.length;
};

it("a node says which settings it cannot have", () => {
  const problem = { reason: "WorkersNeedRestart", message: "too many", generation: 8 };
  const status = nodeStatus({ state: { ...IN_FORCE, problem }, version: "1", report: undefined, previous: undefined });
  expect(status).toMatchObject({ appliedGeneration: 7, refusedGeneration: 8, reason: "WorkersNeedRestart" });
  expect(quicProxyNodeStatusShape.parse(status)).toEqual(status);
});

it("a node says why its metrics are not where they should be", () => {
  const metricsProblem = "metrics: TCP 127.0.0.1:9464 is taken by another program; set spec.metrics.port";
  const report = { ...fakeReport(), metricsProblem };
  const status = nodeStatus({ state: IN_FORCE, version: "1", report, previous: undefined });
  expect(status).toMatchObject({ ready: true, metricsReason: metricsProblem });
  expect(quicProxyNodeStatusShape.parse(status)).toEqual(status);
});

const later = (base: CountersReport, uptimeMs: number, received: number): CountersReport => ({
  ...base,
  uptimeMs,
  totals: { ...base.totals, receive_datagrams: base.totals.receive_datagrams + received },
});

describe("the status of a node", () => {
  const base = fakeReport();

  it("is what its schema takes", () => {
    const status = nodeStatus({ state: IN_FORCE, version: "1", report: base, previous: undefined });
    expect(quicProxyNodeStatusShape.parse(status)).toEqual(status);
    expect(status).toMatchObject({ appliedGeneration: 7, ready: base.ready, workers: base.status.workers });
  });

  it("has rates of two significant digits, and never rounds a loss to none", () => {
    const next = later(base, base.uptimeMs + 10_000, 123_456);
    next.totals.route_dropped_no_backend += 1;
    const { rates } = nodeStatus({ state: IN_FORCE, version: "1", report: next, previous: base });
    expect(rates).toMatchObject({ receivedPerSecond: 12_000, droppedPerSecond: 1 });
  });

  it("has the rate of new flows that nothing came back on", () => {
    const next = structuredClone(later(base, base.uptimeMs + 10_000, 0));
    next.backends[0]!.flowsCreated += 60;
    next.backends[0]!.flowsAnswered += 10;
    const of = (previous: CountersReport) =>
      nodeStatus({ state: IN_FORCE, version: "1", report: next, previous }).rates?.unansweredPerSecond;
    expect([of(base), of(next)]).toEqual([5, 0]);
    const late = structuredClone(later(base, base.uptimeMs + 10_000, 0));
    late.backends[0]!.flowsAnswered += 10;
    expect(nodeStatus({ state: IN_FORCE, version: "1", report: late, previous: base }).rates).toMatchObject({
      unansweredPerSecond: 0,
    });
  });

  it("has the load of the busiest thread, and never rounds what keeps up to what does not", () => {
    const underLoad = (busyMs: number, received: number, kernelDrops = 0): CountersReport => {
      const sockets = [{ worker: 1, receiveBuffer: 2_304_000, queued: 0, kernelDrops }];
      const [endpoint] = base.endpoints;
      return fakeReport({
        nowMs: 1000,
        fill: (region) => {
          region.set(1, "receive_datagrams", received);
          region.setBusy(1, busyMs * 1e6);
          region.setTiming(1, "forwardService", 0, { 20: received });
        },
        status: { endpoints: [{ ...endpoint!, sockets }] },
      });
    };
    const loadOf = (report: CountersReport) => {
      const status = nodeStatus({ state: IN_FORCE, version: "1", report, previous: base });
      expect(quicProxyNodeStatusShape.parse(status)).toEqual(status);
      return status.rates?.load;
    };
    expect(loadOf(underLoad(997, 43_210))).toEqual({
      worker: 1,
      busyPercent: 100,
      loadPercent: 99,
      serviceRatePerSecond: 43_000,
      serviceP50Ns: 7700,
      serviceP99Ns: 8200,
    });
    expect(loadOf(underLoad(1000, 40_000, 10_000))).toMatchObject({ worker: 1, loadPercent: 130, overflowMs: 0 });
    expect(loadOf(underLoad(1000, 40_000, 1))).toMatchObject({ loadPercent: 100 });
    expect(loadOf(underLoad(0, 0, 9))).toEqual({ worker: 1, busyPercent: 0, loadPercent: 100_000, overflowMs: 0 });
    expect(loadOf(base)).toEqual({ worker: 0, busyPercent: 0, loadPercent: 0 });
  });

  it("names backends that this host cannot use, not more than fit", () => {
    const leftOut = Array.from({ length: 20 }, (_, at) => `backend ${at}: ${"x".repeat(300)}`);
    const status = nodeStatus({
      state: { ...IN_FORCE, leftOut },
      version: "1",
      report: undefined,
      previous: undefined,
    });
    expect(quicProxyNodeStatusShape.parse(status)).toEqual(status);
    expect(status.backendsLeftOut).toHaveLength(8);
    expect(status.backendsLeftOut?.at(-1)).toBe("and 13 more");
  });

  it("says why nothing runs", () => {
    const problem = { reason: "ListenPortBusy", message: "taken" };
    const none = { appliedGeneration: 0, appliedBackends: 0, leftOut: [], source: undefined, problem, drained: false };
    expect(nodeStatus({ state: none, version: "1", report: undefined, previous: undefined })).toEqual({
      appliedGeneration: 0,
      appliedBackends: 0,
      ready: false,
      readiness: "False",
      reason: "ListenPortBusy",
      message: "taken",
      version: "1",
    });
  });
});

describe("the reporter", () => {
  it("writes once, and while nothing changes a sign of life after 50 to 70 s", async () => {
    expect([await tickAt(0), await tickAt(5000), await tickAt(69_900)]).toEqual([1, 1, 1]);
    expect([await tickAt(70_000), await tickAt(71_000), await tickAt(140_000)]).toEqual([2, 2, 3]);
    expect(sent.map(({ reportedAt }) => reportedAt)).toEqual([
      "2026-02-03T00:00:00Z",
      "2026-02-03T00:01:10Z",
      "2026-02-03T00:02:20Z",
    ]);
    for (const status of sent) expect({ ...status, reportedAt: "" }).toEqual({ ...sent[0], reportedAt: "" });
  });

  it("takes any report for a sign of life, and tries a beat again that failed", async () => {
    await tickAt(0);
    state = { ...IN_FORCE, appliedGeneration: 8 };
    expect([await tickAt(60_000), await tickAt(129_000)]).toEqual([2, 2]);
    failWith = new ApiError("Unauthorized", { status: 401, reason: "" });
    expect(await tickAt(130_000)).toBe(2);
    failWith = undefined;
    expect(await tickAt(132_000)).toBe(3);
  });

  it("tells of backends that come and go with the numbers, and at once when all are down or one is back", async () => {
    const health = (healthy: number) => fakeHealth({ healthy, unhealthy: 2 - healthy });
    report = { ...report!, health: health(2) };
    await tickAt(0);
    report = { ...report!, health: health(1) };
    expect([await tickAt(39_000), await tickAt(40_000)]).toEqual([1, 2]);
    report = { ...report!, health: health(0) };
    expect(await tickAt(43_000)).toBe(3);
    expect(sent[2]).toMatchObject({
      ready: true,
      readiness: "False",
      reason: "BackendsDown",
      backendHealth: { healthy: 0 },
    });
    expect(sent[2]?.message).toBe(
      "all 2 backends are down, new flows are spread over them all the same; 10.0.0.8:4433 (Refused): 3 refusals",
    );
    report = { ...report!, health: health(1) };
    expect(await tickAt(46_000)).toBe(4);
    expect(sent[3]).toMatchObject({ readiness: "True", reason: "", message: "", backendHealth: { healthy: 1 } });
  });

  it("writes a change after 2 s at the earliest, and numbers alone after 30 to 40 s", async () => {
    await tickAt(0);
    report = later(report!, report!.uptimeMs + 1000, 1_000_000);
    expect(await tickAt(5000)).toBe(1);
    state = { ...IN_FORCE, appliedGeneration: 8 };
    expect(await tickAt(1000)).toBe(1);
    expect(await tickAt(5500)).toBe(2);
    expect(sent[1]?.rates).toEqual(sent[0]?.rates);
    expect(await tickAt(45_400)).toBe(2);
    expect(await tickAt(45_500)).toBe(3);
    expect(sent[2]?.rates).not.toEqual(sent[1]?.rates);
  });

  it("tries again after a failure, says it, and is silent where the object is gone", async () => {
    failWith = new ApiError("down", { status: 503, reason: "" });
    await tickAt(0);
    expect(errors).toEqual(["down"]);
    await tickAt(500);
    expect(errors).toHaveLength(1);
    failWith = new ApiError("gone", { status: 404, reason: "NotFound" });
    await tickAt(1000);
    failWith = undefined;
    expect([errors.length, await tickAt(60_000)]).toEqual([1, 1]);
  });

  it("writes everything again into a new object", async () => {
    await tickAt(0);
    reporter.forget();
    expect(await tickAt(5000)).toBe(2);
  });
});

it("a node that is drained says so, also where it needs the restart that it is drained for", () => {
  const drained = { ...IN_FORCE, drained: true };
  const notReady = { ...fakeReport(), ready: false, notReadyReason: "the proxy is drained" };
  const of = (given: AgentState) => nodeStatus({ state: given, version: "1", report: notReady, previous: undefined });
  expect(of(drained)).toMatchObject({ ready: false, reason: "Draining", message: "the proxy is drained" });
  expect(of(IN_FORCE)).toMatchObject({ ready: false, reason: "NotReady" });
  const problem = { reason: "NeedsRestart", message: "dataPlane.batch: restart the proxy", generation: 8 };
  expect(of({ ...drained, problem })).toMatchObject({
    reason: "Draining",
    message: "the proxy is drained",
    refusedGeneration: 8,
  });
  expect(of({ ...IN_FORCE, problem })).toMatchObject({ reason: "NeedsRestart" });
});
