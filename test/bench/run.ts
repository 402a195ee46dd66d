import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release } from "node:os";
import { join, resolve } from "node:path";
import { untilChildrenEnded } from "../../proxy/lab/child.ts";
import { removeLab } from "../../proxy/lab/namespace.ts";
import { comparisons, startContenders } from "./contenders.ts";
import { type BenchLab, createBenchLab } from "./lab.ts";
import { type Measurement, measure, type Setting } from "./measure.ts";
import { type BenchOptions, parseOptions } from "./options.ts";
import { ratioOf, renderRatio, renderSetting, renderTable } from "./table.ts";

/*
 * CPU per round trip of this proxy beside others: one datagram through the proxy to an echo and back, at a fixed rate.
 * Every round measures every contender once, in an order that rotates, so that what else the machine does falls on all.
 */

const results = resolve(import.meta.dirname, "../../build/bench/results.json");

function describeMachine(): string {
  const processor = cpus()[0]?.model ?? "unknown";
  return `${availableParallelism()} CPUs ${processor}, Linux ${release()}`;
}

function loadAverage(): string {
  return loadavg()
    .map((value) => value.toFixed(1))
    .join(" ");
}

function settingsOf({ bursts, flows }: BenchOptions): Setting[] {
  return bursts.flatMap((burst) => flows.map((count) => ({ burst, flows: count })));
}

async function runRounds(lab: BenchLab, options: BenchOptions): Promise<Measurement[]> {
  const contenders = await startContenders(lab);
  const all: Measurement[] = [];
  for (const setting of settingsOf(options)) {
    for (let round = 0; round < options.rounds; round++) {
      const progress = `${renderSetting(setting)}: round ${round + 1} of ${options.rounds}`;
      console.log(`${progress}; load average ${loadAverage()}`);
      for (let turn = 0; turn < contenders.length; turn++) {
        const contender = contenders[(turn + round) % contenders.length]!;
        const one = await measure(lab, contender, { ...setting, rate: options.rate, seconds: options.seconds, round });
        if (one.repeated > 0) console.log(`  ${contender.name}: measured again ${one.repeated} times`);
        all.push(one);
      }
    }
  }
  return all;
}

function report(options: BenchOptions, measurements: readonly Measurement[], loadBefore: string): void {
  const settings = settingsOf(options);
  const ratios = settings.flatMap((setting) => comparisons.map((pair) => ratioOf(measurements, pair, setting)));
  const facts = {
    machine: describeMachine(),
    date: new Date().toISOString(),
    loadAverage: { before: loadBefore, after: loadAverage() },
    options,
  };
  console.log(`\n${facts.machine}; load average ${loadBefore} before, ${facts.loadAverage.after} after`);
  console.log(
    `${options.rate} round trips of 1,200 octets per second, ${options.rounds} rounds of ${options.seconds} s; minimum / median / maximum, per round trip`,
  );
  for (const setting of settings) console.log(renderTable(measurements, setting));
  console.log("process CPU per round trip, each round compared with itself:");
  for (const ratio of ratios) console.log(`  ${renderRatio(ratio)}`);
  mkdirSync(join(results, ".."), { recursive: true });
  writeFileSync(results, `${JSON.stringify({ ...facts, ratios, measurements }, undefined, 2)}\n`);
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (process.geteuid?.() !== 0) throw new Error("the benchmark makes network namespaces and must run as root");
  const loadBefore = loadAverage();
  const lab = await createBenchLab();
  const removeNow = (): void => removeLab(lab.topology.name);
  process.once("exit", removeNow);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
  try {
    report(options, await runRounds(lab, options), loadBefore);
  } finally {
    removeNow();
    await untilChildrenEnded();
  }
}

try {
  await main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
