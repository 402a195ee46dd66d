import type { Contender } from "./contenders.ts";
import { readCpu } from "./cpu.ts";
import { type BenchLab, runLoad } from "./lab.ts";

/** What a contender is measured under. */
export interface Setting {
  flows: number;
  /** Datagrams that leave together. */
  burst: number;
}

/** One contender in one round. CPU in microseconds per round trip. */
export interface Measurement extends Setting {
  contender: string;
  round: number;
  roundTrips: number;
  /** Share of the datagrams that did not come back. */
  loss: number;
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
  rate: number;
  seconds: number;
  round: number;
}

/** A measurement with a loss is made again, at most three times: what the contender itself loses, it loses again. */
export async function measure(lab: BenchLab, contender: Contender, plan: MeasurePlan): Promise<Measurement> {
  for (let repeated = 0; ; repeated++) {
    const one = await measureOnce(lab, contender, plan);
    if (one.loss <= tolerableLoss || repeated === mostRepetitions) return { ...one, repeated };
  }
}

/** Opens the flows, then measures. A proxy without traffic uses next to nothing, so the two ends of the window are soft. */
async function measureOnce(
  lab: BenchLab,
  contender: Contender,
  plan: MeasurePlan,
): Promise<Omit<Measurement, "repeated">> {
  const { rate, burst, seconds, flows, round } = plan;
  const { address, port, process } = contender;
  const load = { address, port, flows, rate, burst };
  await runLoad(lab, { ...load, count: Math.max(flows, Math.round(rate * warmUpSeconds)) });
  const before = readCpu(process?.pid);
  const echoBefore = readCpu(lab.echo.pid);
  const report = await runLoad(lab, { ...load, count: rate * seconds });
  const after = readCpu(process?.pid);
  const echoUs = readCpu(lab.echo.pid).process - echoBefore.process;
  const perRoundTrip = (name: keyof typeof after): number => (after[name] - before[name]) / report.received;
  if (report.received === 0) throw new Error(`${contender.name}: nothing came back`);
  return {
    contender: contender.name,
    flows,
    burst,
    round,
    roundTrips: report.received,
    loss: 1 - report.received / report.sent,
    p50Us: report.p50Us,
    p99Us: report.p99Us,
    processUs: perRoundTrip("process"),
    workersUs: perRoundTrip("workers"),
    togetherUs: perRoundTrip("process") + (echoUs + report.cpuUs) / report.received,
    machineUs: perRoundTrip("machine"),
  };
}
