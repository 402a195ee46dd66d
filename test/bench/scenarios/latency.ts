import type { Figure } from "../aims.ts";
import { baseline, nginx, oneWorker, routed, startContenders, translated } from "../contender/contender.ts";
import type { Contender } from "../contender/measured.ts";
import { type Bench, type Measurement, measure, tolerableLoss } from "../measure.ts";
import type { BenchOptions } from "../options.ts";
import { compareRounds, type Ratio } from "../ratio.ts";
import { type Column, renderRounds } from "../round_table.ts";
import { eachInTurn, type Findings, type Scenario, withBench } from "../scenario.ts";
import { renderSpread } from "../spread.ts";
import { levelsText, progressText } from "./round_trip.ts";

const flows = 1_000;
const plans = [routed, translated, oneWorker, baseline, nginx];
/** Of the time of the one worker. */
const load = 0.5;
const microsPerSecond = 1e6;

/** Latency that a proxy adds while its worker is busy for half of its time. */
export const latency: Scenario = {
  name: "latency",
  title: "latency added at half load",
  run: (options, progress) =>
    withBench("realTime", async (bench) => {
      const contenders = await startContenders(bench.lab, plans);
      const ours = contenders.find(({ name }) => name === oneWorker.name)!;
      const rate = await halfLoad(bench, ours, options);
      progress(`${ours.name} is half busy with ${rate} round trips per second`);
      const all: Measurement[] = [];
      await eachInTurn(contenders, options.rounds, async (contender, round) => {
        const { seconds } = options;
        const one = await measure(bench, contender, { flows, burst: 1, train: 1, rate, seconds, round });
        progress(`${progressText(one)}, p99 ${one.p99Us.toFixed(0)} us`);
        all.push(one);
      });
      return findingsOf(contenders, rate, all);
    }),
};

/** Round trips per second, from what one costs the worker at the usual rate. */
async function halfLoad(bench: Bench, ours: Contender, { rate, seconds }: BenchOptions): Promise<number> {
  const { workersUs } = await measure(bench, ours, { flows, burst: 1, train: 1, rate, seconds, round: 0 });
  return Math.round((load * microsPerSecond) / workersUs);
}

const columns: readonly Column<Measurement>[] = [
  ["p50 us", ({ p50Us }) => p50Us, 0],
  ["p99 us", ({ p99Us }) => p99Us, 0],
  ["lost %", ({ loss }) => 100 * loss, 3],
  ["proxy CPU us", ({ processUs }) => processUs, 2],
];

function findingsOf(contenders: Contender[], rate: number, all: readonly Measurement[]): Findings {
  const added = (of: string, name: "p50Us" | "p99Us"): Ratio =>
    compareRounds(
      all.map((one) => ({ ...one, value: one.loss <= tolerableLoss ? one[name] : undefined })),
      [of, routed.name],
      (ours, theirs) => ours - theirs,
    );
  const names = contenders.map(({ name }) => name).filter((name) => name !== routed.name);
  const rows = names.map((name) => ({ name, p50: added(name, "p50Us"), p99: added(name, "p99Us") }));
  const lines = rows.map(
    ({ name, p50, p99 }) => `  ${name}: p50 ${renderSpread(p50, 0)} us, p99 ${renderSpread(p99, 0)} us`,
  );
  const figure: Figure = {
    name: "p99 latency added by quicproxy, 1 worker, at half load",
    aim: { most: 100 },
    unit: "us",
    digits: 0,
    measured: rows.find(({ name }) => name === oneWorker.name)?.p99,
    note: `${rate} per second`,
  };
  const text = [
    levelsText(contenders),
    renderRounds(`${rate} per second, ${flows} flows, evenly spaced`, all, columns),
    "added to plain routing, each round compared with itself:",
    ...lines,
  ].join("\n");
  return { text, figures: [figure], data: { rate, added: rows, measurements: all } };
}
