import type { Figure } from "../aims.ts";
import { baseline, nginx, oneWorker, overSockets, routed, startContenders } from "../contender/contender.ts";
import type { Contender } from "../contender/measured.ts";
import { readCpu } from "../cpu.ts";
import { compareRounds, type Pair, type Ratio, renderRatio } from "../ratio.ts";
import { type Column, renderRounds } from "../round_table.ts";
import { eachInTurn, type Findings, type Scenario, withLab } from "../scenario.ts";
import { type Direction, type Site, startSite, transfer } from "../transfer.ts";
import { levelsText } from "./round_trip.ts";

/** One transfer by one connection. */
interface Bulk {
  contender: string;
  direction: Direction;
  round: number;
  /** Octets of the body, in units of 10^6, over the time from the client's start to its end. */
  megabytesPerSecond: number;
  /** CPU seconds per 10^9 octets of the body. */
  processPerGb: number;
  workersPerGb: number;
  machinePerGb: number;
}

const plans = [routed, oneWorker, overSockets, baseline, nginx];
const costPairs: readonly Pair[] = [
  [oneWorker.name, nginx.name],
  [oneWorker.name, overSockets.name],
  [oneWorker.name, baseline.name],
];
const goodputPairs: readonly Pair[] = [
  [oneWorker.name, routed.name],
  [nginx.name, routed.name],
];
/** Process CPU per GB over nginx's. */
const aims: Record<Direction, number> = { download: 0.25, upload: 0.5 };
const leastGoodput = 0.9;

/** A real HTTP/3 client and server through each contender. */
export const bulk: Scenario = {
  name: "bulk",
  title: "one large download and one large upload by a real HTTP/3 client and server (ngtcp2)",
  run: ({ megabytes, rounds }, progress) =>
    withLab("nice", async (lab) => {
      const site = await startSite(lab, megabytes);
      const contenders = await startContenders(lab, plans);
      const all: Bulk[] = [];
      for (const direction of ["download", "upload"] as const) {
        await eachInTurn(contenders, rounds, async (contender, round) => {
          const one = await measureTransfer(site, contender, direction, round);
          const { megabytesPerSecond, processPerGb } = one;
          const figures = `${megabytesPerSecond.toFixed(0)} MB/s, ${processPerGb.toFixed(2)} s per GB`;
          progress(`${direction}, round ${round + 1}, ${contender.name}: ${figures}`);
          all.push(one);
        });
      }
      return findingsOf(contenders, all);
    }),
};

async function measureTransfer(site: Site, contender: Contender, direction: Direction, round: number): Promise<Bulk> {
  const pid = contender.process?.pid;
  const before = readCpu(pid);
  const { seconds } = await transfer(site, direction, contender.target);
  const after = readCpu(pid);
  const secondsPerGb = (name: keyof typeof after): number =>
    ((after[name] - before[name]) * 1e-6) / (site.bytes * 1e-9);
  return {
    contender: contender.name,
    direction,
    round,
    megabytesPerSecond: (site.bytes * 1e-6) / seconds,
    processPerGb: secondsPerGb("process"),
    workersPerGb: secondsPerGb("workers"),
    machinePerGb: secondsPerGb("machine"),
  };
}

const columns: readonly Column<Bulk>[] = [
  ["MB/s", ({ megabytesPerSecond }) => megabytesPerSecond, 0],
  ["proxy CPU s/GB", ({ processPerGb }) => processPerGb, 2],
  ["of it workers", ({ workersPerGb }) => workersPerGb, 2],
  ["machine CPU s/GB", ({ machinePerGb }) => machinePerGb, 1],
];

function findingsOf(contenders: Contender[], all: readonly Bulk[]): Findings {
  const parts = [levelsText(contenders)];
  const figures: Figure[] = [];
  const ratios: object[] = [];
  for (const direction of ["download", "upload"] as const) {
    const under = all.filter((one) => one.direction === direction);
    const ratioOf = (name: "processPerGb" | "megabytesPerSecond", pair: Pair): Ratio =>
      compareRounds(
        under.map((one) => ({ ...one, value: one[name] })),
        pair,
      );
    const costs = costPairs.map((pair) => ratioOf("processPerGb", pair));
    const goodputs = goodputPairs.map((pair) => ratioOf("megabytesPerSecond", pair));
    parts.push(renderRounds(direction, under, columns));
    parts.push("process CPU per GB, each round compared with itself:", ...costs.map((one) => `  ${renderRatio(one)}`));
    parts.push("goodput, likewise:", ...goodputs.map((one) => `  ${renderRatio(one)}`));
    figures.push(...figuresOf(direction, costs[0]!, goodputs[0]!));
    ratios.push({ direction, costs, goodputs });
  }
  return { text: parts.join("\n"), figures, data: { ratios, transfers: all } };
}

function figuresOf(direction: Direction, cost: Ratio, goodput: Ratio): Figure[] {
  const of = `HTTP/3 ${direction}`;
  return [
    {
      name: `${of}: process CPU per GB over nginx's`,
      aim: { most: aims[direction] },
      unit: "x",
      digits: 2,
      measured: cost,
    },
    { name: `${of}: goodput over no proxy`, aim: { least: leastGoodput }, unit: "x", digits: 2, measured: goodput },
  ];
}
