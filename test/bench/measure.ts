import type { Child } from "../../proxy/lab/child.ts";
import type { Contender } from "./contender/measured.ts";
import { readCpu } from "./cpu.ts";
import { receiveBufferErrors } from "./drops.ts";
import type { BenchLab } from "./lab.ts";
import { runLoad } from "./load.ts";

/** What a contender is measured under. */
export interface Setting {
  flows: number;
  /** Datagrams that leave together. */
  burst: number;
  /** Datagrams of one flow in a row that leave as one buffer. */
  train: number;
  /** Datagrams per second. */
  rate: number;
}

/** One contender in one round. CPU in microseconds per round trip. */
export interface Measurement extends Setting {
  contender: string;
  round: number;
  roundTrips: number;
  /** Round trips per second of the time in which their datagrams were sent. */
  perSecond: number;
  /** Share of the datagrams that did not come back. */
  loss: number;
  /** Datagrams that found a full socket buffer in the contender's namespace. */
  bufferErrors: number;
  p50Us: number;
  p99Us: number;
  /** How often it was measured again, because the machine had no time for it. */
  repeated: number;
  /** Of the proxy's process; 0 without a proxy. */
  processUs: number;
  /** Of its packet threads alone; 0 where they have no name of their own. */
  workersUs: number;
  /** Of proxy, load generator and echo together. */
  togetherUs: number;
  /** Of the whole machine, kernel and whatever else ran included. */
  machineUs: number;
}

const warmUpSeconds = 0.3;
/** More is lost only when a program did not run for long, as on a machine that others use too. */
export const tolerableLoss = 0.001;
const mostRepetitions = 3;

export interface MeasurePlan extends Setting {
  seconds: number;
  round: number;
  /** The flows are open already. Default: they are opened before. */
  isOpen?: boolean;
}

/** A measurement with a loss is made again, at most three times: what the contender itself loses, it loses again. */
export async function measure(bench: Bench, contender: Contender, plan: MeasurePlan): Promise<Measurement> {
  for (let repeated = 0; ; repeated++) {
    const one = await measureOnce(bench, contender, plan);
    if (one.loss <= tolerableLoss || repeated === mostRepetitions) return { ...one, repeated };
  }
}

export interface Bench {
  lab: BenchLab;
  echo: Child;
}

/** Sends at least one datagram of each flow. `rate`: one that nobody loses at. */
export async function openFlows({ lab }: Bench, { target }: Contender, flows: number, rate: number): Promise<void> {
  const count = Math.max(flows, Math.round(rate * warmUpSeconds));
  await runLoad(lab, target, { flows, rate, burst: 1, train: 1, count });
}

/** Opens the flows, then measures. A proxy without traffic uses next to nothing, so the ends of the window are soft. */
export async function measureOnce(bench: Bench, contender: Contender, plan: MeasurePlan): Promise<Measurement> {
  const { rate, burst, train, seconds, flows, round } = plan;
  const { target, process, edge } = contender;
  if (!plan.isOpen) await openFlows(bench, contender, flows, rate);
  const errorsBefore = receiveBufferErrors(edge.namespace, process?.pid);
  const before = readCpu(process?.pid);
  const echoBefore = readCpu(bench.echo.pid);
  const report = await runLoad(bench.lab, target, { flows, rate, burst, train, count: Math.round(rate * seconds) });
  const after = readCpu(process?.pid);
  const echoUs = readCpu(bench.echo.pid).process - echoBefore.process;
  const perRoundTrip = (name: keyof typeof after): number => (after[name] - before[name]) / report.received;
  if (report.received === 0) throw new Error(`${contender.name}: nothing came back`);
  return {
    contender: contender.name,
    flows,
    burst,
    train,
    rate,
    round,
    roundTrips: report.received,
    perSecond: report.received / report.seconds,
    loss: 1 - report.received / report.sent,
    bufferErrors: receiveBufferErrors(edge.namespace, process?.pid) - errorsBefore,
    p50Us: report.p50Us,
    p99Us: report.p99Us,
    repeated: 0,
    processUs: perRoundTrip("process"),
    workersUs: perRoundTrip("workers"),
    togetherUs: perRoundTrip("process") + (echoUs + report.cpuUs) / report.received,
    machineUs: perRoundTrip("machine"),
  };
}
