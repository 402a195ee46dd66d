import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import type { Group } from "./fresh/path.ts";
import { type Tally, tallyGoogleTest, tallyJUnit, tallyVitest } from "./report.ts";

/*
 * Every suite: how it is built and run, what it needs installed, where its report is.
 */

export interface Runner {
  name: string;
  /** Builds what the command runs. */
  build?: readonly (readonly string[])[];
  command: readonly string[];
  report: string;
  tally: (text: string) => Tally;
  /** What the make targets that run it have installed: nothing else is on its PATH. */
  packages: readonly Group[];
  /** And what it asserts holds on a busy machine, too: builds of later suites go on beside it. */
  mostlyWaits?: boolean;
  /** Or the programs of one. Runs only when it is named. */
  needsCluster?: boolean;
}

export const root = resolve(import.meta.dirname, "..");
export const reports = join(root, "build/reports");
const jobs = process.env.JOBS ?? String(availableParallelism());

const nativePackages: readonly Group[] = ["build", "native"];
const testPackages: readonly Group[] = ["build", "native", "lab", "interop", "image"];
const faultPackages: readonly Group[] = ["build", "lab", "fault"];
const clusterPackages: readonly Group[] = ["build", "image", "cluster"];

function nativeRunners(preset: "release" | "asan"): Runner[] {
  const built = join("build/native", preset);
  const unit = join(reports, `native-${preset}.json`);
  const programs = ["native_tests", "fuzz_replay", ...(preset === "release" ? ["route_bench"] : [])];
  const build = [
    ["cmake", "-S", "native", "--preset", preset, "--log-level=WARNING"],
    ["cmake", "--build", built, "--parallel", jobs, "--target", ...programs],
  ];
  const replay = join(reports, `fuzz-replay-${preset}.xml`);
  return [
    {
      name: `native-${preset}`,
      build,
      command: [join(built, "native_tests"), "--gtest_brief=1", `--gtest_output=json:${unit}`],
      report: unit,
      tally: tallyGoogleTest,
      packages: nativePackages,
    },
    {
      name: `fuzz-replay-${preset}`,
      build,
      command: ["ctest", "--test-dir", built, "-R", "fuzz_replay", "--output-on-failure", "--output-junit", replay],
      report: replay,
      tally: tallyJUnit,
      packages: nativePackages,
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
    packages: nativePackages,
  };
}

function vitestRunner(
  project: "unit" | "image" | "net" | "net-sockets" | "faults" | "interop" | "chart" | "e2e" | "integration",
): Runner {
  const report = join(reports, `${project}.json`);
  const vitest = join("node_modules", "vitest", "vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=./test/tally_reporter.ts", `--outputFile=${report}`];
  return {
    name: project,
    command: [process.execPath, vitest, "run", "--project", project, ...reporters],
    report,
    tally: tallyVitest,
    packages: testPackages,
  };
}

export const runners: readonly Runner[] = [
  vitestRunner("unit"),
  vitestRunner("net"),
  vitestRunner("net-sockets"),
  { ...vitestRunner("faults"), packages: faultPackages },
  { ...vitestRunner("image"), mostlyWaits: true },
  { ...vitestRunner("interop"), mostlyWaits: true },
  ...nativeRunners("release"),
  ...nativeRunners("asan"),
  soakRunner(),
  { ...vitestRunner("chart"), packages: clusterPackages, needsCluster: true },
  { ...vitestRunner("e2e"), packages: clusterPackages, needsCluster: true },
  { ...vitestRunner("integration"), packages: clusterPackages, needsCluster: true },
];
