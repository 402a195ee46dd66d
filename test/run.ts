import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import {
  closingLines,
  demandReasons,
  readTally,
  type Tally,
  tallyGoogleTest,
  tallyJUnit,
  tallyVitest,
} from "./report.ts";

/*
 * Runs every test that needs no cluster, or the runners named as arguments, one after the other: a failure does not keep
 * the later ones from running. The last lines name what failed or was skipped and sum up: `N passed, N failed, N
 * skipped`. With --sum it runs nothing and sums up all that has run since the last `make clean`.
 */

interface Runner {
  name: string;
  /** Builds what the command runs. */
  build?: readonly (readonly string[])[];
  command: readonly string[];
  report: string;
  tally: (text: string) => Tally;
  /** Or the programs of one. Runs only when it is named. */
  needsCluster?: boolean;
}

const root = resolve(import.meta.dirname, "..");
const reports = join(root, "build/reports");
const jobs = process.env.JOBS ?? String(availableParallelism());

function nativeRunners(preset: "release" | "asan"): Runner[] {
  const built = join("build/native", preset);
  const unit = join(reports, `native-${preset}.json`);
  const build = [
    ["cmake", "-S", "native", "--preset", preset, "--log-level=WARNING"],
    ["cmake", "--build", built, "--parallel", jobs],
  ];
  const replay = join(reports, `fuzz-replay-${preset}.xml`);
  return [
    {
      name: `native-${preset}`,
      build,
      command: [join(built, "native_tests"), "--gtest_brief=1", `--gtest_output=json:${unit}`],
      report: unit,
      tally: tallyGoogleTest,
    },
    {
      name: `fuzz-replay-${preset}`,
      build,
      command: ["ctest", "--test-dir", built, "-R", "fuzz_replay", "--output-on-failure", "--output-junit", replay],
      report: replay,
      tally: tallyJUnit,
    },
  ];
}

/** SOAK_SECONDS: of all upstream levels and modes together. */
function soakRunner(): Runner {
  const built = "build/native/tsan";
  const report = join(reports, "soak-tsan.json");
  const program = ["test/native/soak/without_aslr.sh", join(built, "worker_soak")];
  return {
    name: "soak-tsan",
    build: [
      ["cmake", "-S", "native", "--preset", "tsan", "--log-level=WARNING"],
      ["cmake", "--build", built, "--parallel", jobs, "--target", "worker_soak"],
    ],
    command: [...program, `--seconds=${process.env.SOAK_SECONDS ?? "24"}`, `--gtest_output=json:${report}`],
    report,
    tally: tallyGoogleTest,
  };
}

function vitestRunner(
  project: "unit" | "image" | "net" | "net-sockets" | "interop" | "chart" | "e2e" | "integration",
): Runner {
  const report = join(reports, `${project}.json`);
  const vitest = join("node_modules", "vitest", "vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=./test/tally_reporter.ts", `--outputFile=${report}`];
  return {
    name: project,
    command: [process.execPath, vitest, "run", "--project", project, ...reporters],
    report,
    tally: tallyVitest,
  };
}

const runners: readonly Runner[] = [
  ...nativeRunners("release"),
  ...nativeRunners("asan"),
  soakRunner(),
  vitestRunner("unit"),
  vitestRunner("image"),
  vitestRunner("net"),
  vitestRunner("net-sockets"),
  vitestRunner("interop"),
  { ...vitestRunner("chart"), needsCluster: true },
  { ...vitestRunner("e2e"), needsCluster: true },
  { ...vitestRunner("integration"), needsCluster: true },
];

function runCommand([file, ...args]: readonly string[]): string | undefined {
  const { status, signal, error } = spawnSync(file!, args, { cwd: root, stdio: "inherit" });
  return status === 0 ? undefined : `${file} ended with ${error?.message ?? signal ?? status}`;
}

const tallySuffix = ".tally.json";

/** A runner that does not build, leaves no report, or fails in a way its report does not show counts as one failure. */
function run({ name, build, command, report, tally }: Runner): Tally {
  console.log(`\n== ${name}`);
  rmSync(report, { force: true });
  let fault: string | undefined;
  for (const step of [...(build ?? []), command]) fault ??= runCommand(step);
  let counted: Tally = { passed: 0, failed: [], skipped: [] };
  try {
    counted = demandReasons(readTally(report, tally));
  } catch {
    fault ??= "it left no report";
  }
  if (fault !== undefined && counted.failed.length === 0) counted.failed.push({ name: "the runner", reason: fault });
  return { ...counted, failed: counted.failed.map((test) => ({ ...test, name: `${name}: ${test.name}` })) };
}

function runAndKeep(runner: Runner): Tally {
  const tally = run(runner);
  writeFileSync(join(reports, `${runner.name}${tallySuffix}`), JSON.stringify(tally));
  return tally;
}

function keptTallies(): Tally[] {
  const files = readdirSync(reports).filter((file) => file.endsWith(tallySuffix));
  return files.map((file) => readTally(join(reports, file), tallyVitest));
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => name !== "--sum" && !runners.some((runner) => runner.name === name));
if (unknown.length > 0) {
  console.error(`no such runner: ${unknown.join(", ")}; there are ${runners.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

mkdirSync(reports, { recursive: true });
const chosen = runners.filter(({ name, needsCluster }) => (asked.length === 0 ? !needsCluster : asked.includes(name)));
const tallies = asked.includes("--sum") ? keptTallies() : chosen.map(runAndKeep);
console.log("");
console.log(closingLines(tallies).join("\n"));
process.exitCode = tallies.some(({ failed }) => failed.length > 0) ? 1 : 0;
