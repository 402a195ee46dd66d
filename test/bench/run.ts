import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release } from "node:os";
import { join, resolve } from "node:path";
import { untilChildrenEnded } from "../../proxy/lab/child.ts";
import { type Figure, renderFigures } from "./aims.ts";
import { type BenchOptions, parseOptions } from "./options.ts";
import { type Findings, removeOpenLabs, type Scenario } from "./scenario.ts";
import { bulk } from "./scenarios/bulk.ts";
import { latency } from "./scenarios/latency.ts";
import { manyFlows } from "./scenarios/many_flows.ts";
import { overload } from "./scenarios/overload.ts";
import { programCosts } from "./scenarios/programs.ts";
import { roundTrip } from "./scenarios/round_trip.ts";

/*
 * This proxy beside plain routing, the kernel's address translation, nginx and Baseline. A scenario is one interleaved
 * run in namespaces of its own: every round measures every contender once, in an order that rotates, so that what else
 * the machine does falls on all.
 */

const scenarios: readonly Scenario[] = [roundTrip, manyFlows, bulk, overload, latency, programCosts];

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

interface Result extends Findings {
  scenario: string;
  loadAverage: { before: string; after: string };
}

async function runScenario({ name, title, run }: Scenario, options: BenchOptions): Promise<Result> {
  const before = loadAverage();
  console.log(`\n== ${name}: ${title}`);
  const findings = await run(options, (text) => console.log(`  ${text}; load average ${loadavg()[0]!.toFixed(1)}`));
  const after = loadAverage();
  console.log(`load average ${before} before, ${after} after; ${options.rounds} rounds: minimum / median / maximum`);
  console.log(findings.text);
  return { scenario: name, loadAverage: { before, after }, ...findings };
}

function report(options: BenchOptions, done: readonly Result[]): void {
  const figures: readonly Figure[] = done.flatMap((one) => one.figures);
  if (figures.length > 0) console.log(`\n== aims, judged by the median\n${renderFigures(figures)}`);
  const facts = { machine: describeMachine(), date: new Date().toISOString(), options };
  const scenarioResults = done.map(({ text: _, ...rest }) => rest);
  mkdirSync(join(results, ".."), { recursive: true });
  writeFileSync(results, `${JSON.stringify({ ...facts, figures, scenarios: scenarioResults }, undefined, 2)}\n`);
}

async function main(): Promise<void> {
  const options = parseOptions(
    process.argv.slice(2),
    scenarios.map(({ name }) => name),
  );
  if (process.geteuid?.() !== 0) throw new Error("the benchmark makes network namespaces and must run as root");
  process.once("exit", removeOpenLabs);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
  console.log(describeMachine());
  const done: Result[] = [];
  try {
    for (const scenario of scenarios.filter(({ name }) => options.scenarios.includes(name))) {
      done.push(await runScenario(scenario, options));
    }
  } finally {
    report(options, done);
    await untilChildrenEnded();
  }
}

try {
  await main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
