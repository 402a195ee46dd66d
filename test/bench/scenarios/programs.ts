import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import type { Figure } from "../aims.ts";
import { costsBetween, type ProgramCost, programsOf, withStatistics } from "../bpf_programs.ts";
import { startContender, twoWorkers } from "../contender/contender.ts";
import type { Contender } from "../contender/measured.ts";
import { type Bench, measure, openFlows } from "../measure.ts";
import { drawTable } from "../round_table.ts";
import { type Course, type Findings, type Scenario, withBench } from "../scenario.ts";
import { renderSpread, spreadOf } from "../spread.ts";
import { levelsText } from "./round_trip.ts";

const flows = 1_000;
const trains = [1, 16] as const;
const routeBench = resolve(import.meta.dirname, "../../../build/native/release/route_bench");

/** One program in one round. */
interface Run extends ProgramCost {
  train: number;
  round: number;
  roundTrips: number;
}

/** What each step of a datagram costs alone. */
export const programCosts: Scenario = {
  name: "programs",
  title: "cost of each step: BPF programs by the kernel's run-time statistics, and the steps of routing",
  run: (options, progress) =>
    withBench("realTime", async (bench) => {
      const contender = await startContender(bench.lab, twoWorkers);
      const runs = await withStatistics(() => measureRuns(bench, contender, { options, progress }));
      progress("steps of routing");
      return findingsOf(contender, runs, execFileSync(routeBench, { encoding: "utf8" }));
    }),
};

async function measureRuns(bench: Bench, contender: Contender, { options, progress }: Course): Promise<Run[]> {
  const { rate, seconds, rounds } = options;
  const { pid } = contender.process!;
  const all: Run[] = [];
  await openFlows(bench, contender, flows, rate);
  for (const train of trains) {
    for (let round = 0; round < rounds; round++) {
      const before = programsOf(pid);
      const plan = { flows, burst: train, train, rate, seconds, round, isOpen: true };
      const { roundTrips, repeated } = await measure(bench, contender, plan);
      const costs = costsBetween(before, programsOf(pid));
      progress(`trains of ${train}, round ${round + 1}: ${costs.length} programs ran`);
      // What was measured again ran more often than its round trips tell.
      if (repeated === 0) all.push(...costs.map((cost) => ({ ...cost, train, round, roundTrips })));
    }
  }
  return all;
}

interface Row {
  type: string;
  train: number;
  runs: readonly Run[];
}

function rowsOf(all: readonly Run[]): Row[] {
  const types = [...new Set(all.map(({ type }) => type))];
  const rows = types.flatMap((type) =>
    trains.map((train) => ({ type, train, runs: all.filter((one) => one.type === type && one.train === train) })),
  );
  return rows.filter(({ runs }) => runs.length > 0);
}

function programTable(rows: readonly Row[]): string {
  if (rows.length === 0) return "no BPF program is on the way of a datagram at these levels";
  const lines = rows.map(({ type, train, runs }) => [
    type,
    train === 1 ? "single datagrams" : `trains of ${train}`,
    renderSpread(spreadOf(runs.map(({ nsPerRun }) => nsPerRun)), 0),
    renderSpread(spreadOf(runs.map((one) => one.runs / one.roundTrips)), 2),
    renderSpread(spreadOf(runs.map((one) => (one.runs * one.nsPerRun) / one.roundTrips)), 0),
  ]);
  return drawTable(["BPF program", "", "ns per run", "runs per round trip", "ns per round trip"], lines);
}

function findingsOf(contender: Contender, all: readonly Run[], steps: string): Findings {
  const rows = rowsOf(all);
  const steering = rows.find(({ type, train }) => type.startsWith("SK_REUSEPORT") && train === 1);
  const figure: Figure = {
    name: "steering program per packet",
    aim: { most: 100 },
    unit: "ns",
    digits: 0,
    measured: steering && spreadOf(steering.runs.map(({ nsPerRun }) => nsPerRun)),
    note: steering ? "" : `steering is ${contender.levels?.steering}`,
  };
  const parts = [
    levelsText([contender]),
    programTable(rows),
    "steps of routing, in the processor's time alone:",
    steps,
  ];
  return { text: parts.join("\n"), figures: [figure], data: { runs: all, steps } };
}
