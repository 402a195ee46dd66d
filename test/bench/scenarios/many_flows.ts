import { readdirSync, readFileSync } from "node:fs";
import type { CountersReport } from "../../../proxy/metrics/report.ts";
import type { Figure } from "../aims.ts";
import { startContenders } from "../contender/contender.ts";
import type { Contender } from "../contender/measured.ts";
import { readCounters } from "../contender/quicproxy.ts";
import { type Bench, type Measurement, measure, openFlows } from "../measure.ts";
import { compareRounds, type Ratio, renderRatio } from "../ratio.ts";
import { processCost, renderRounds, roundTripColumns } from "../round_table.ts";
import { type Course, eachInTurn, type Findings, type Progress, type Scenario, withBench } from "../scenario.ts";
import { type Spread, spreadOf } from "../spread.ts";
import { levelsText, progressText } from "./round_trip.ts";

const fewFlows = 1_000;
const few = "few live flows";
const many = "many live flows";
/** Together they have more ports than there are flows. */
const backends = 64;
/** Of both proxies, so that only the number of flows differs. */
const flowMemoryMi = 512;
const enough = 0.999;
const mostOpenings = 3;
const openRate = 40_000;
const mebi = 1024 * 1024;

/** What the flows of a proxy take, beside its time. */
interface Holding {
  asked: number;
  live: number;
  descriptorsPerFlow: number;
  /** Of the flow tables. */
  tableBytesPerFlow: number;
  /** Growth of the process's resident memory while the flows were opened. */
  residentBytesPerFlow: number;
}

/** Round trips over a few of many live flows, each of which was last used long ago, beside a proxy with few. */
export const manyFlows: Scenario = {
  name: "many-flows",
  title: "cost of a round trip, memory and descriptors with many live flows",
  run: (options, progress) =>
    withBench("realTime", async (bench) => {
      const dataPlane = { flowMemory: `${flowMemoryMi}Mi` };
      const plan = { kind: "quicproxy", workers: 1, backends, dataPlane } as const;
      const contenders = await startContenders(bench.lab, [
        { ...plan, name: few },
        { ...plan, name: many },
      ]);
      const holding = await fill(bench, contenders[1]!, options.liveFlows, progress);
      const measurements = await measureBoth(bench, contenders, { options, holding, progress });
      return findingsOf(contenders, holding, measurements);
    }),
};

const flowsOf = ({ workers }: CountersReport): number => workers.reduce((sum, { gauges }) => sum + gauges.flows, 0);
const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

function residentBytes(pid: number): number {
  const kibi = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kibi) * 1024;
}

/** Opens as many flows as are asked for and the proxy can hold. */
async function fill(bench: Bench, contender: Contender, asked: number, progress: Progress): Promise<Holding> {
  const pid = contender.process!.pid;
  const report = (): Promise<CountersReport> => readCounters(contender.edge.namespace, contender.metricsUrl!);
  const { status } = await report();
  const isPool = status.upstreamLevel === "ConnectedSocketPool";
  const room = Math.min(status.flowCapacity, isPool ? status.upstreamSocketMax : Number.POSITIVE_INFINITY);
  const wanted = Math.min(asked, Math.floor(room * enough));
  const before = { descriptors: descriptorsOf(pid), resident: residentBytes(pid) };
  let live = 0;
  for (let opening = 0; opening < mostOpenings && live < wanted * enough; opening++) {
    await openFlows(bench, contender, wanted, openRate / 2 ** opening);
    live = flowsOf(await report());
    progress(`${live} of ${wanted} flows are open${wanted < asked ? `; ${asked} were asked for` : ""}`);
  }
  return {
    asked,
    live,
    descriptorsPerFlow: (descriptorsOf(pid) - before.descriptors) / live,
    tableBytesPerFlow: status.flowMemoryBytes / status.flowCapacity,
    residentBytesPerFlow: (residentBytes(pid) - before.resident) / live,
  };
}

interface HoldingCourse extends Course {
  holding: Holding;
}

async function measureBoth(bench: Bench, contenders: Contender[], course: HoldingCourse): Promise<Measurement[]> {
  const { options, holding, progress } = course;
  const all: Measurement[] = [];
  await openFlows(bench, contenders[0]!, fewFlows, options.rate);
  await eachInTurn(contenders, options.rounds, async (contender, round) => {
    const flows = contender.name === few ? fewFlows : holding.live;
    const { rate, seconds } = options;
    const one = await measure(bench, contender, { flows, burst: 1, train: 1, rate, seconds, round, isOpen: true });
    progress(progressText(one));
    all.push(one);
  });
  return all;
}

function findingsOf(contenders: Contender[], holding: Holding, measurements: Measurement[]): Findings {
  const ratio = compareRounds(processCost(measurements), [many, few]);
  const { live, descriptorsPerFlow, tableBytesPerFlow, residentBytesPerFlow } = holding;
  const text = [
    levelsText(contenders),
    renderRounds(`${fewFlows} and ${live} live flows`, measurements, roundTripColumns),
    `process CPU per round trip, each round compared with itself:\n  ${renderRatio(ratio)}`,
    `per flow: ${descriptorsPerFlow.toFixed(3)} descriptors, ${tableBytesPerFlow.toFixed(0)} octets of tables, ${residentBytesPerFlow.toFixed(0)} octets of resident memory`,
  ].join("\n");
  return { text, figures: figuresOf(holding, ratio), data: { holding, ratio, measurements } };
}

/** A proxy may open some sockets for thousands of flows together. */
const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;

function figuresOf(holding: Holding, ratio: Ratio): Figure[] {
  const { asked, live, descriptorsPerFlow, tableBytesPerFlow } = holding;
  const single = (value: number): Spread => spreadOf([value]);
  const isFull = live >= asked * enough;
  const note = isFull ? "" : `with ${live} flows ${ratio.median.toFixed(2)}; more do not fit at this level`;
  const cost = `process CPU per round trip, ${asked} live flows over ${fewFlows}`;
  const memoryMi = single((tableBytesPerFlow * asked) / mebi);
  const octets = `${tableBytesPerFlow.toFixed(0)} octets each`;
  return [
    { name: cost, aim: { most: 1.2 }, unit: "x", digits: 2, measured: isFull ? ratio : undefined, note },
    {
      name: "descriptors per flow",
      aim: { most: 0 },
      unit: "",
      digits: 3,
      measured: single(rounded(descriptorsPerFlow)),
    },
    {
      name: `flow memory of ${asked} flows`,
      aim: { most: 256 },
      unit: "MiB",
      digits: 0,
      measured: memoryMi,
      note: octets,
    },
  ];
}
