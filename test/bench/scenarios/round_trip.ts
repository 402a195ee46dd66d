import type { Figure } from "../aims.ts";
import {
  baseline,
  nginx,
  oneWorker,
  overSockets,
  routed,
  startContenders,
  translated,
  twoNginx,
  twoWorkers,
} from "../contender/contender.ts";
import type { Contender } from "../contender/measured.ts";
import { type Measurement, measure, type Setting } from "../measure.ts";
import type { BenchOptions } from "../options.ts";
import { compareRounds, type Pair, type Ratio, renderRatio } from "../ratio.ts";
import { processCost, renderRounds, renderSetting, roundTripColumns, underSetting } from "../round_table.ts";
import { eachInTurn, type Findings, type Scenario, withBench } from "../scenario.ts";

const plans = [routed, translated, oneWorker, twoWorkers, overSockets, baseline, nginx, twoNginx];
const pairs: readonly Pair[] = [
  [oneWorker.name, nginx.name],
  [twoWorkers.name, twoNginx.name],
  [oneWorker.name, overSockets.name],
  [oneWorker.name, baseline.name],
];
/** Process CPU over nginx's, by number of flows. */
const aims: ReadonlyMap<number, number> = new Map([
  [1_000, 0.7],
  [19_000, 0.3],
]);

/** CPU per round trip of one datagram through each contender to an echo and back, at a fixed rate. */
export const roundTrip: Scenario = {
  name: "round-trip",
  title: "CPU per round trip, by number of flows and by how datagrams arrive",
  run: (options, progress) =>
    withBench("realTime", async (bench) => {
      const contenders = await startContenders(bench.lab, plans);
      const all: Measurement[] = [];
      for (const setting of settingsOf(options)) {
        await eachInTurn(contenders, options.rounds, async (contender, round) => {
          const one = await measure(bench, contender, { ...setting, seconds: options.seconds, round });
          progress(progressText(one));
          all.push(one);
        });
      }
      return findingsOf(options, contenders, all);
    }),
};

function settingsOf({ bursts, flows, rate }: BenchOptions): Setting[] {
  return flows.flatMap((count) => bursts.map((burst) => ({ burst, flows: count, train: 1, rate })));
}

export function progressText(one: Measurement): string {
  const again = one.repeated > 0 ? `, measured again ${one.repeated} times` : "";
  const loss = one.loss > 0 ? `, lost ${(100 * one.loss).toFixed(2)} %` : "";
  return `${renderSetting(one)}, round ${one.round + 1}, ${one.contender}: ${one.processUs.toFixed(1)} us${loss}${again}`;
}

/** What quicproxies say of where they work. */
export function levelsText(contenders: readonly Contender[]): string {
  return contenders
    .filter(({ levels }) => levels !== undefined)
    .map(({ name, levels }) => `${name}: upstream ${levels?.upstreamLevel}, steering ${levels?.steering}`)
    .join("\n");
}

function findingsOf(options: BenchOptions, contenders: Contender[], all: readonly Measurement[]): Findings {
  const parts = [levelsText(contenders)];
  const figures: Figure[] = [];
  const ratios: (Ratio & Setting)[] = [];
  for (const setting of settingsOf(options)) {
    const under = underSetting(all, setting);
    parts.push(renderRounds(renderSetting(setting), under, roundTripColumns));
    parts.push("process CPU per round trip, each round compared with itself:");
    for (const pair of pairs) {
      const ratio = compareRounds(processCost(under), pair);
      parts.push(`  ${renderRatio(ratio)}`);
      ratios.push({ ...ratio, ...setting });
    }
    figures.push(...figuresOf(setting, compareRounds(processCost(under), pairs[0]!)));
  }
  return { text: parts.join("\n"), figures, data: { ratios, measurements: all } };
}

function figuresOf(setting: Setting, measured: Ratio): Figure[] {
  const most = aims.get(setting.flows);
  if (most === undefined) return [];
  const name = `process CPU per round trip over nginx's, 1 worker, ${renderSetting(setting)}`;
  return [{ name, aim: { most }, unit: "x", digits: 2, measured }];
}
