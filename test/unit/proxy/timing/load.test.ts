import { describe, expect, it } from "vitest";
import type { NativeSocket } from "../../../../proxy/apply/addon.ts";
import type { CounterName } from "../../../../proxy/counters/names.generated.ts";
import type { CountersReport } from "../../../../proxy/metrics/report.ts";
import { RHO_MAX, type WorkerLoad, workerLoads } from "../../../../proxy/timing/load.ts";
import { truesizeBytes } from "../../../../proxy/timing/sockets.ts";
import { fakeStatus } from "../apply/fakes.ts";
import { fakeReport } from "../metrics/reports.ts";

const BUFFER = 2_304_000;
const START_MS = 5000;

interface Reading {
  atMs: number;
  counters?: Partial<Record<CounterName, number>>;
  /** Time of work, in ms. */
  busyMs?: number;
  receiverMs?: number;
  socket?: Partial<NativeSocket>;
  mode?: string;
  workers?: number;
  uptimeMs?: number;
}

/** One reading of worker 0; counters as they stand. */
function reading({
  atMs,
  counters = {},
  busyMs = 0,
  receiverMs = 0,
  socket,
  mode,
  workers,
  uptimeMs,
}: Reading): CountersReport {
  const [endpoint] = fakeStatus().endpoints;
  const sockets = [{ worker: 0, receiveBuffer: BUFFER, queued: 0, kernelDrops: 0, ...socket }];
  const report = fakeReport({
    nowMs: atMs,
    fill: (region) => {
      for (const [name, value] of Object.entries(counters)) region.set(0, name as CounterName, value);
      region.setBusy(0, busyMs * 1e6);
      region.setBusy(0, receiverMs * 1e6, "receiver");
    },
    status: { endpoints: [{ ...endpoint!, sockets }], ...(workers === undefined ? {} : { workers }) },
    ...(mode === undefined ? {} : { state: { mode } }),
  });
  return uptimeMs === undefined ? report : { ...report, uptimeMs };
}

const empty = reading({ atMs: START_MS });

/** Of worker 0 in the second after `empty`. */
function afterSecond(changes: Omit<Reading, "atMs">): WorkerLoad {
  return workerLoads(empty, reading({ atMs: START_MS + 1000, ...changes }))[0]!;
}

function expectFinite(value: object): void {
  for (const one of Object.values(value)) {
    if (typeof one === "object") expectFinite(one);
    else expect(one).toSatisfy(Number.isFinite);
  }
}

describe("the load of a worker", () => {
  it("at rest is none, and no number is missing or not finite", () => {
    expect(afterSecond({})).toEqual({ busyShare: 0, rho: 0, surplusPerSecond: 0 });
    expect(workerLoads(empty, empty)[0]).toEqual({ busyShare: 0, rho: 0, surplusPerSecond: 0 });
    expect(workerLoads(undefined, reading({ atMs: 0 }))[0]).toEqual({ busyShare: 0, rho: 0, surplusPerSecond: 0 });
  });

  it("is arrivals by service rate: both directions are its work", () => {
    const load = afterSecond({ counters: { receive_datagrams: 6000, return_received: 4000 }, busyMs: 250 });
    expect(load).toEqual({ busyShare: 0.25, rho: 0.25, serviceRate: 40_000, surplusPerSecond: 0 });
  });

  it("is above 1 by what is lost before it, and then its buffer overflows", () => {
    const load = afterSecond({
      counters: { receive_datagrams: 40_000 },
      busyMs: 1000,
      socket: { kernelDrops: 10_000, queued: BUFFER },
    });
    expect(load.rho).toBeGreaterThanOrEqual(1.25);
    expect(load).toMatchObject({ busyShare: 1, serviceRate: 40_000, overflowSeconds: 0 });
    expect(load.surplusPerSecond).toBeGreaterThanOrEqual(10_000);
  });

  it("tells of a backlog that grows before anything is lost: when the buffer is full", () => {
    const load = afterSecond({ counters: { receive_datagrams: 40_000 }, busyMs: 1000, socket: { queued: BUFFER / 4 } });
    expect(load.rho).toBeCloseTo(1 + 250 / 40_000);
    expect(load.surplusPerSecond).toBe(250);
    expect(load.overflowSeconds).toBeCloseTo(3);
    expect(load.bufferSeconds).toBeCloseTo(4);
  });

  it("is below 1 while a backlog gets shorter, though it works all the time", () => {
    const before = reading({ atMs: START_MS, socket: { queued: BUFFER / 2 } });
    const after = reading({ atMs: START_MS + 1000, counters: { receive_datagrams: 40_000 }, busyMs: 1000 });
    const [load] = workerLoads(before, after);
    expect(load?.rho).toBeLessThan(1);
    expect(load?.overflowSeconds).toBeUndefined();
  });

  it.each([
    [0, 0.5],
    [400, 0.7],
    [39_999, 0.01],
    [1, 1],
    [10_000, 1],
    [1e6, 1],
  ])("%i lost in a second of which it works %d: 1 or more exactly where more comes than it can serve", (lost, busyShare) => {
    const served = 20_000;
    const load = afterSecond({
      counters: { receive_datagrams: served },
      busyMs: 1000 * busyShare,
      socket: { kernelDrops: lost },
    });
    const serviceRate = served / busyShare;
    expect(load.rho >= 1).toBe(served + lost >= serviceRate);
    expect(load.overflowSeconds !== undefined).toBe(load.rho >= 1 && lost > 0);
    expectFinite(load);
  });

  it("that takes nothing of what comes is as high as it gets", () => {
    const stuck = afterSecond({ socket: { kernelDrops: 5000, queued: BUFFER } });
    expect(stuck).toMatchObject({ rho: RHO_MAX, overflowSeconds: 0 });
    expect(stuck.serviceRate).toBeUndefined();
    const fills = workerLoads(
      reading({ atMs: START_MS, socket: { queued: 2304 } }),
      reading({ atMs: START_MS + 1000, socket: { queued: 2304 * 101 } }),
    )[0]!;
    expect(fills).toMatchObject({ rho: RHO_MAX, surplusPerSecond: 100 });
    expect(fills.overflowSeconds).toBeCloseTo(8.99);
    expectFinite(fills);
  });

  it("is none for a worker at rest to which a datagram has come this very moment", () => {
    expect(afterSecond({ socket: { queued: 2304 } })).toEqual({ busyShare: 0, rho: 0, surplusPerSecond: 0 });
  });

  it("counts what the kernel dropped of backends' datagrams", () => {
    const load = afterSecond({ counters: { return_received: 10_000, return_kernel_drops: 5000 }, busyMs: 1000 });
    expect(load).toMatchObject({ busyShare: 1, rho: 1.5, surplusPerSecond: 0 });
  });

  it("is not more than the whole time, whatever a clock of ticks says", () => {
    expect(afterSecond({ counters: { receive_datagrams: 10 }, busyMs: 1004 })).toMatchObject({ busyShare: 1, rho: 1 });
    expect(afterSecond({ counters: { receive_datagrams: 10 } })).toEqual({ busyShare: 0, rho: 0, surplusPerSecond: 0 });
  });
});

describe("the load of a worker in mode Decoupled", () => {
  it("is told of both threads: what one loses, the other may keep up with", () => {
    const load = afterSecond({
      mode: "Decoupled",
      counters: { receive_datagrams: 30_000, hand_off_dropped_ring_full: 10_000 },
      busyMs: 1000,
      receiverMs: 200,
    });
    expect(load).toMatchObject({ busyShare: 1, rho: 1.5, serviceRate: 20_000, surplusPerSecond: 0 });
    expect(load.receiver).toEqual({ busyShare: 0.2, rho: 0.2, serviceRate: 150_000 });
    expect(load.overflowSeconds).toBeUndefined();
  });

  it("is of the receiving thread where the socket overflows", () => {
    const load = afterSecond({
      mode: "Decoupled",
      counters: { receive_datagrams: 100_000 },
      busyMs: 400,
      receiverMs: 1000,
      socket: { kernelDrops: 50_000 },
    });
    expect(load).toMatchObject({ rho: 0.4, receiver: { rho: 1.5 }, overflowSeconds: 0, surplusPerSecond: 50_000 });
  });
});

describe("loads over changes", () => {
  const running = (atMs: number, changes: Partial<Reading> = {}) =>
    reading({ atMs, counters: { receive_datagrams: 1000 * atMs }, busyMs: atMs / 2, ...changes });

  it("are averages since the start after a restart, not what the run before counted", () => {
    const young = reading({ atMs: 9000, uptimeMs: 1000, counters: { receive_datagrams: 4000 }, busyMs: 100 });
    for (const previous of [running(8000), undefined]) {
      expect(workerLoads(previous, young)[0]).toMatchObject({ busyShare: 0.1, serviceRate: 40_000 });
    }
  });

  it("are averages since the start also where the new run has lasted longer than the reading before", () => {
    const young = reading({ atMs: 60_000, uptimeMs: 50_000, counters: { receive_datagrams: 4000 }, busyMs: 25_000 });
    expect(workerLoads(running(8000), young)[0]).toMatchObject({ busyShare: 0.5, serviceRate: 160 });
  });

  it("are of the workers that are there", () => {
    expect(workerLoads(running(1000), running(2000))).toHaveLength(2);
    expect(workerLoads(running(1000), running(2000, { workers: 1 }))).toHaveLength(1);
    const fewer = running(1000);
    const more = workerLoads({ ...fewer, workers: fewer.workers.slice(0, 1) }, running(2000));
    expect(more).toHaveLength(2);
    for (const load of more) expectFinite(load);
  });

  it("take a socket that was opened anew for what it is", () => {
    const before = running(1000, { socket: { kernelDrops: 900 } });
    const after = running(2000, { socket: { kernelDrops: 3 } });
    expect(workerLoads(before, after)[0]?.rho).toBeCloseTo(0.5);
  });

  it("work for a worker without a listening socket", () => {
    const before = running(1000);
    const after = { ...running(2000), endpoints: [] };
    expect(workerLoads(before, after)[0]).toMatchObject({ busyShare: 0.5, rho: 0.5, surplusPerSecond: 0 });
  });
});

describe("truesizeBytes", () => {
  it("is that of a typical datagram unless they are larger", () => {
    expect(truesizeBytes(0, 0)).toBe(2304);
    expect(truesizeBytes(1200 * 7, 7)).toBe(2304);
    expect(truesizeBytes(8000 * 7, 7)).toBe(9104);
  });
});
