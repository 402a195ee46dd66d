import type { Figure } from "../aims.ts";
import { baseline, decoupled, nginx, oneWorker, startContenders, twoWorkers } from "../contender/contender.ts";
import type { Contender } from "../contender/measured.ts";
import { packetThreads } from "../cpu.ts";
import { type Controller, removeShares, requireController, shareCpu } from "../cpu_share.ts";
import { type Bench, type Measurement, measureOnce, openFlows } from "../measure.ts";
import type { BenchOptions } from "../options.ts";
import { compareRounds, type Ratio, renderRatio } from "../ratio.ts";
import { type Column, renderRounds } from "../round_table.ts";
import { type Course, eachInTurn, type Findings, type Scenario, withBench } from "../scenario.ts";
import { type Spread, spreadOf } from "../spread.ts";
import { levelsText, progressText } from "./round_trip.ts";

const flows = 1_000;
const openRate = 4_000;
/** What counts as overload: half of it is lost. */
const heavyLoss = 0.5;
const searchStep = 1.25;
const searchSeconds = 1;
/** Beyond it the load generator itself is the limit. */
const mostRate = 150_000;

const plans = [baseline, oneWorker, decoupled, twoWorkers, nginx];

/** One rate, and what the contenders made of it. */
interface Phase {
  rate: number;
  /** Who loses half at this rate. */
  overloaded: string;
  measurements: Measurement[];
}

/** Each packet thread has the same share of a CPU, and more comes than that of one contender can carry. */
export const overload: Scenario = {
  name: "overload",
  title: "more than a thread can carry: what is lost, and what a second worker adds",
  async run(options, progress) {
    const controller = requireController();
    try {
      return await withBench("nice", (bench) => runPhases(bench, controller, { options, progress }));
    } finally {
      removeShares(controller);
    }
  },
};

async function runPhases(bench: Bench, controller: Controller, course: Course): Promise<Findings> {
  const { options } = course;
  const contenders = await startContenders(bench.lab, plans);
  for (const contender of contenders) {
    const pid = contender.process!.pid;
    await openFlows(bench, contender, flows, openRate);
    shareCpu(controller, pid, packetThreads(pid), options.cpuPercent);
  }
  const named = (name: string): Contender => contenders.find((one) => one.name === name)!;
  const beyondBaseline = await runPhase(bench, contenders, named(baseline.name), course);
  const ours = [named(oneWorker.name), named(decoupled.name), named(twoWorkers.name)];
  const beyondOurs = await runPhase(bench, ours, named(oneWorker.name), course);
  return findingsOf(options, contenders, { beyondBaseline, beyondOurs });
}

async function runPhase(bench: Bench, contenders: Contender[], beyond: Contender, course: Course): Promise<Phase> {
  const { options, progress } = course;
  const rate = await findRate(bench, beyond, course);
  const measurements: Measurement[] = [];
  await eachInTurn(contenders, options.rounds, async (contender, round) => {
    const one = await measureOnce(bench, contender, planOf(rate, options.seconds, round));
    progress(`${progressText(one)}, ${one.bufferErrors} RcvbufErrors`);
    measurements.push(one);
  });
  return { rate, overloaded: beyond.name, measurements };
}

const planOf = (rate: number, seconds: number, round: number) =>
  ({ flows, burst: 1, train: 1, rate, seconds, round, isOpen: true }) as const;

/** The first rate of a rising series at which a contender loses half. */
async function findRate(bench: Bench, contender: Contender, { options, progress }: Course): Promise<number> {
  for (let rate = options.rate; ; rate = Math.min(mostRate, Math.round(rate * searchStep))) {
    const { loss } = await measureOnce(bench, contender, planOf(rate, searchSeconds, 0));
    progress(`${contender.name} at ${rate} per second: lost ${(100 * loss).toFixed(1)} %`);
    if (loss >= heavyLoss || rate === mostRate) return rate;
  }
}

const columns: readonly Column<Measurement>[] = [
  ["back per second", ({ perSecond }) => perSecond, 0],
  ["lost %", ({ loss }) => 100 * loss, 1],
  ["RcvbufErrors", ({ bufferErrors }) => bufferErrors, 0],
  ["proxy CPU us", ({ processUs }) => processUs, 2],
  ["p99 us", ({ p99Us }) => p99Us, 0],
];

interface Phases {
  beyondBaseline: Phase;
  beyondOurs: Phase;
}

function findingsOf({ cpuPercent }: BenchOptions, contenders: Contender[], phases: Phases): Findings {
  const { beyondBaseline, beyondOurs } = phases;
  const throughput = beyondOurs.measurements.map((one) => ({ ...one, value: one.perSecond }));
  const scaling = compareRounds(throughput, [twoWorkers.name, oneWorker.name]);
  const table = ({ rate, overloaded, measurements }: Phase): string =>
    renderRounds(`${rate} per second, beyond ${overloaded}`, measurements, columns);
  const text = [
    levelsText(contenders),
    `each packet thread has ${cpuPercent} % of a CPU; ${flows} flows, evenly spaced`,
    table(beyondBaseline),
    table(beyondOurs),
    `round trips that came back, each round compared with itself:\n  ${renderRatio(scaling)}`,
  ].join("\n");
  return { text, figures: figuresOf(beyondBaseline, scaling), data: { cpuPercent, phases, scaling } };
}

/** Rounds in which Baseline lost less than half are no overload and no measure. */
function figuresOf({ rate, measurements }: Phase, scaling: Ratio): Figure[] {
  const heavy = measurements.filter((one) => one.contender === baseline.name && one.loss >= heavyLoss);
  const under = (name: string): Measurement[] =>
    measurements.filter((one) => one.contender === name && heavy.some(({ round }) => round === one.round));
  const errors = (name: string): Spread | undefined => {
    const rows = under(name);
    return rows.length === 0 ? undefined : spreadOf(rows.map(({ bufferErrors }) => bufferErrors));
  };
  const lost = heavy.length === 0 ? 0 : Math.round(spreadOf(heavy.map(({ bufferErrors }) => bufferErrors)).median);
  const note = `${rate} per second; Baseline's median: ${lost}`;
  const rcvbuf = (name: string): Figure => ({
    name: `RcvbufErrors of ${name} where Baseline loses half`,
    aim: { most: 0 },
    unit: "",
    digits: 0,
    measured: errors(name),
    note,
  });
  return [
    rcvbuf(oneWorker.name),
    rcvbuf(decoupled.name),
    rcvbuf(twoWorkers.name),
    {
      name: "two workers over one, both overloaded: round trips per second",
      aim: { least: 1.8 },
      unit: "x",
      digits: 2,
      measured: scaling,
    },
  ];
}
