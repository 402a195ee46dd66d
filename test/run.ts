import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Ahead } from "./ahead.ts";
import { freshPath } from "./fresh/path.ts";
import { minutesTable, type Spent } from "./minutes.ts";
import { closingLines, demandReasons, readTally, type Tally } from "./report.ts";
import { type Runner, reports, root, runners } from "./runners.ts";

/*
 * Runs every test that needs no cluster, or the runners named as arguments, one after the other: a failure does not keep
 * the later ones from running. What is compiled is compiled beside suites that mostly wait, as far as they leave time. Prints what took how long; the last lines name what failed or was skipped and sum up: `N
 * passed, N failed, N skipped`. With --sum it runs nothing and sums up all that has run since the last `make clean`;
 * --spent "<command>=<seconds>" adds a line to the table.
 */

/** What a runner brought, as it is kept for --sum. */
interface Outcome extends Tally {
  buildSeconds?: number;
  runSeconds: number;
}

async function runCommand([file, ...args]: readonly string[], path: string): Promise<string | undefined> {
  const child = spawn(file!, args, { cwd: root, stdio: "inherit", env: { ...process.env, PATH: path } });
  const outcome = await new Promise<string | number>((resolve) => {
    child.once("error", ({ message }) => resolve(message));
    child.once("close", (code, signal) => resolve(code ?? signal ?? "unknown"));
  });
  return outcome === 0 ? undefined : `${file} ended with ${outcome}`;
}

const told = new Set<string>();

function pathOf({ packages }: Runner): string {
  const { path, asItWas } = freshPath({ groups: packages });
  if (asItWas !== undefined && !told.has(asItWas)) console.log(`the PATH stays as it is: ${asItWas}`);
  if (asItWas !== undefined) told.add(asItWas);
  return path;
}

interface Timed {
  seconds: number;
  fault: string | undefined;
}

/** The first fault of commands that follow each other, and the time until then. */
async function timed(commands: readonly (readonly string[])[], path: string): Promise<Timed> {
  const started = performance.now();
  let fault: string | undefined;
  for (const command of commands) fault ??= await runCommand(command, path);
  return { seconds: (performance.now() - started) / 1000, fault };
}

/** A runner that does not build, leaves no report, or fails in a way its report does not show counts as one failure. */
async function run(runner: Runner): Promise<Outcome> {
  const { name, build, command, report, tally } = runner;
  console.log(`\n== ${name}`);
  rmSync(report, { force: true });
  const path = pathOf(runner);
  const built = await timed(build ?? [], path);
  const ran = built.fault === undefined ? await timed([command], path) : { seconds: 0, fault: built.fault };
  let fault = ran.fault;
  let counted: Tally = { passed: 0, failed: [], skipped: [] };
  try {
    counted = demandReasons(readTally(report, tally));
  } catch {
    fault ??= "it left no report";
  }
  if (fault !== undefined && counted.failed.length === 0) counted.failed.push({ name: "the runner", reason: fault });
  return {
    ...counted,
    failed: counted.failed.map((test) => ({ ...test, name: `${name}: ${test.name}` })),
    ...(build === undefined ? {} : { buildSeconds: built.seconds }),
    runSeconds: ran.seconds,
  };
}

const kept = (name: string): string => join(reports, `${name}.tally.json`);

async function runAndKeep(runner: Runner): Promise<[string, Outcome]> {
  const outcome = await run(runner);
  writeFileSync(kept(runner.name), JSON.stringify(outcome));
  return [runner.name, outcome];
}

/** Builds begin, beside the first suite that mostly waits, for all that come after it. */
async function runAll(chosen: readonly Runner[]): Promise<[string, Outcome][]> {
  const outcomes: [string, Outcome][] = [];
  let ahead: Ahead | undefined;
  const stop = async (signal: "SIGINT" | "SIGTERM"): Promise<void> => {
    await ahead?.stop();
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop(signal));
  for (const [index, runner] of chosen.entries()) {
    if (runner.mostlyWaits) ahead ??= buildAhead(chosen.slice(index + 1));
    else await ahead?.stop();
    outcomes.push(await runAndKeep(runner));
  }
  await ahead?.stop();
  return outcomes;
}

function buildAhead(runners: readonly Runner[]): Ahead | undefined {
  const [first] = runners.filter(({ build }) => build !== undefined);
  if (first === undefined) return undefined;
  const commands = [...new Set(runners.map(({ build }) => build ?? []))].flat();
  const env = { ...process.env, PATH: pathOf(first) };
  return new Ahead({ commands, cwd: root, env, logFile: join(reports, "ahead.log") });
}

function keptOutcomes(): [string, Outcome][] {
  const files = new Set(readdirSync(reports));
  return runners
    .map(({ name }) => name)
    .filter((name) => files.has(`${name}.tally.json`))
    .map((name) => [name, JSON.parse(readFileSync(kept(name), "utf8")) as Outcome]);
}

const spentBy = ([name, { passed, failed, skipped, buildSeconds, runSeconds }]: [string, Outcome]): Spent => ({
  name,
  ...(buildSeconds === undefined ? {} : { buildSeconds }),
  runSeconds,
  counts: { passed, failed: failed.length, skipped: skipped.length },
});

/** `make lint=12` */
function commandSpent(text: string): Spent {
  const [, name, seconds] = /^(.+)=(\d+)$/.exec(text) ?? [];
  if (name === undefined) throw new Error(`--spent wants <command>=<seconds>, and not ${text}`);
  return { name, runSeconds: Number(seconds) };
}

function readArguments(): { asked: string[]; sum: boolean; commands: Spent[] } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { sum: { type: "boolean" }, spent: { type: "string", multiple: true } },
  });
  const unknown = positionals.filter((name) => !runners.some((runner) => runner.name === name));
  if (unknown.length > 0) {
    const names = runners.map(({ name }) => name).join(", ");
    throw new Error(`no such runner: ${unknown.join(", ")}; there are ${names}`);
  }
  return { asked: positionals, sum: values.sum ?? false, commands: (values.spent ?? []).map(commandSpent) };
}

function readArgumentsOrExit(): ReturnType<typeof readArguments> {
  try {
    return readArguments();
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
}

const { asked, sum, commands } = readArgumentsOrExit();
mkdirSync(reports, { recursive: true });
const chosen = runners.filter(({ name, needsCluster }) => (asked.length === 0 ? !needsCluster : asked.includes(name)));
const outcomes = sum ? keptOutcomes() : await runAll(chosen);
const tallies = outcomes.map(([, outcome]) => outcome);
console.log(`\n${minutesTable(outcomes.map(spentBy), commands).join("\n")}\n`);
console.log(closingLines(tallies).join("\n"));
process.exitCode = tallies.some(({ failed }) => failed.length > 0) ? 1 : 0;
