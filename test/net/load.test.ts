import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CountersReport } from "../../proxy/metrics/report.ts";
import { datagramsOf } from "../../proxy/timing/histogram.ts";
import { type WorkerLoad, workerLoads } from "../../proxy/timing/load.ts";
import { baseline, decoupled, oneWorker, startContenders } from "../bench/contender/contender.ts";
import type { Contender } from "../bench/contender/measured.ts";
import { readCounters } from "../bench/contender/quicproxy.ts";
import { packetThreads, readCpu } from "../bench/cpu.ts";
import { type Controller, findController, removeShares, shareCpu } from "../bench/cpu_share.ts";
import { runLoad } from "../bench/load.ts";
import { type Bench, openFlows } from "../bench/measure.ts";
import { withBench } from "../bench/scenario.ts";

/*
 * A worker with a small share of a CPU: more comes than it can take, while the machine has time to spare. What the proxy
 * says of its workers then, and of one that has nothing to do.
 */

const root = resolve(import.meta.dirname, "../..");
/** Of a CPU, each packet thread: some thousand round trips a second. */
const cpuPercent = 10;
const flows = 40;
const openRate = 400;
/** Doubled until the worker is overloaded: machines differ. */
const firstRate = 8000;
const mostRate = 128_000;
const loadSeconds = 8;

let controller: Controller | undefined;
beforeAll(() => {
  execFileSync("make", ["build/bench/udp_load", "build/bench/udp_echo"], { cwd: root, stdio: "pipe" });
  controller = findController(readFileSync("/proc/mounts", "utf8"));
});
afterAll(() => {
  if (controller !== undefined) removeShares(controller);
});

interface Observation {
  load: WorkerLoad;
  report: CountersReport;
  /** Of a CPU, the time that packet threads ran. */
  cpuShare: number;
}

/** Between two readings in the midst of the time. */
async function observe({ edge, metricsUrl, process }: Contender, ms: number): Promise<Observation> {
  const read = () => readCounters(edge.namespace, metricsUrl!);
  const cpuBefore = readCpu(process?.pid);
  const before = await read();
  await sleep(ms);
  const report = await read();
  const cpuUs = readCpu(process?.pid).workers - cpuBefore.workers;
  const elapsedUs = (report.readAtNs - before.readAtNs) / 1000;
  return { load: workerLoads(before, report)[0]!, report, cpuShare: cpuUs / elapsedUs };
}

/** The load generator has begun. */
async function untilItComes({ edge, metricsUrl }: Contender): Promise<void> {
  const received = async () => (await readCounters(edge.namespace, metricsUrl!)).totals.receive_datagrams;
  for (const before = await received(); (await received()) === before; ) await sleep(50);
}

const highestRho = ({ rho, receiver }: WorkerLoad): number => Math.max(rho, receiver?.rho ?? 0);

/** Observed while twice as much comes again and again, until it is too much. */
async function overload(bench: Bench, contender: Contender): Promise<Observation> {
  for (let rate = firstRate; ; rate *= 2) {
    const count = rate * loadSeconds;
    const loading = runLoad(bench.lab, contender.target, { flows, rate, burst: 1, train: 1, count });
    await untilItComes(contender);
    const observation = await observe(contender, 1000);
    await loading;
    if (highestRho(observation.load) >= 1 || rate >= mostRate) return observation;
  }
}

const plans = { RunToCompletion: oneWorker, Baseline: baseline, Decoupled: decoupled };

test.for([
  "RunToCompletion",
  "Baseline",
  "Decoupled",
] as const)("a worker in mode %s that gets more than it can take has rho of 1 and more, and one at rest next to none", (mode, {
  skip,
}) =>
  withBench("nice", async (bench) => {
    if (controller === undefined) return skip("no cpu controller of control groups is mounted here");
    const [contender] = await startContenders(bench.lab, [plans[mode]]);
    const pid = contender!.process!.pid;
    await openFlows(bench, contender!, flows, openRate);
    const idle = await observe(contender!, 1500);
    expect(idle.load.rho).toBeLessThan(0.3);
    expect(idle.load.overflowSeconds).toBeUndefined();

    shareCpu(controller, pid, packetThreads(pid), cpuPercent);
    const { load, report, cpuShare } = await overload(bench, contender!);
    expect(highestRho(load)).toBeGreaterThanOrEqual(1);
    // What tools for CPU time show is a machine with time to spare.
    expect(cpuShare).toBeLessThan(0.5);
    expect(Math.max(load.busyShare, load.receiver?.busyShare ?? 0)).toBeGreaterThan(0.8);
    if (load.surplusPerSecond > 0) {
      expect(load.overflowSeconds).toSatisfy(Number.isFinite);
      expect(load.bufferSeconds).toBeGreaterThan(load.overflowSeconds!);
    } else {
      expect(mode).toBe("Decoupled");
      expect(report.totals.hand_off_dropped_ring_full).toBeGreaterThan(0);
    }
    expect(datagramsOf(report.workers[0]!.timing.forwardService)).toBeGreaterThan(0);
    expect(datagramsOf(report.workers[0]!.timing.returnResidence)).toBeGreaterThan(0);
  }));

test("top and metrics of a running proxy show how busy its workers are", () =>
  withBench("nice", async (bench) => {
    const [contender] = await startContenders(bench.lab, [oneWorker]);
    const { namespace } = contender!.edge;
    await openFlows(bench, contender!, flows, openRate);
    const program = join(root, "proxy/cli/main.ts");
    const inside = ["netns", "exec", namespace, process.execPath, program, "top", "--once", "--interval", "200ms"];
    const text = execFileSync("ip", inside, { encoding: "utf8" });
    expect(text).toMatch(/^worker +receive\/s .* busy +rho +p50 +p99 /m);
    expect(text).toMatch(/^0 .* \d+% +\d+\.\d\d /m);
    const { load } = await readCounters(namespace, contender!.metricsUrl!);
    expect(load).toHaveLength(1);
    expect(load[0]).toMatchObject({ busyShare: expect.any(Number), rho: expect.any(Number) });
  }));
