import { removeLab } from "../../proxy/lab/namespace.ts";
import type { Figure } from "./aims.ts";
import { type BenchLab, createBenchLab, type Precedence, startEcho } from "./lab.ts";
import type { Bench } from "./measure.ts";
import type { BenchOptions } from "./options.ts";

/** What a scenario found. */
export interface Findings {
  /** For the terminal. */
  text: string;
  figures: readonly Figure[];
  /** Every measurement, for the file of results. */
  data: unknown;
}

/** Says what is under way. */
export type Progress = (text: string) => void;

/** What every step of a scenario needs to know. */
export interface Course {
  options: BenchOptions;
  progress: Progress;
}

export interface Scenario {
  name: string;
  title: string;
  run(options: BenchOptions, progress: Progress): Promise<Findings>;
}

const openLabs = new Set<string>();

/** Removes what is left of labs when the process has to end. */
export function removeOpenLabs(): void {
  for (const name of openLabs) removeLab(name);
  openLabs.clear();
}

/** Runs in a lab of its own, which is removed in the end. */
export async function withLab<Result>(
  precedence: Precedence,
  run: (lab: BenchLab) => Promise<Result>,
): Promise<Result> {
  const lab = createBenchLab(precedence);
  openLabs.add(lab.name);
  try {
    return await run(lab);
  } finally {
    removeLab(lab.name);
    openLabs.delete(lab.name);
  }
}

/** With a backend that echoes. */
export function withBench<Result>(precedence: Precedence, run: (bench: Bench) => Promise<Result>): Promise<Result> {
  return withLab(precedence, async (lab) => run({ lab, echo: await startEcho(lab) }));
}

/** Every round has every contender once, in an order that rotates: what else the machine does falls on all. */
export async function eachInTurn<Contender>(
  contenders: readonly Contender[],
  rounds: number,
  run: (contender: Contender, round: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      await run(contenders[(turn + round) % contenders.length]!, round);
    }
  }
}
