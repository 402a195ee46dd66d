import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative, resolve } from "node:path";

/*
 * Lines of native/route that the native tests and the fuzz corpora execute: `make coverage`. Fails below the bound.
 */

const LEAST_PERCENT = 96;
const FOLDER = "native/route/";
const root = resolve(import.meta.dirname, "..");
const built = join(root, "build/native/coverage");
const targets = ["native_tests", "fuzz_replay"];

const run = (command: string, ...args: string[]): void => {
  execFileSync(command, args, { cwd: root, stdio: "inherit" });
};

/** Executed or not, by line, of each file. */
type Lines = Map<string, Map<number, boolean>>;

function filesBelow(directory: string, ending: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(directory, name));
}

interface GcovReport {
  files: { file: string; lines: { line_number: number; count: number }[] }[];
}

/** A header's line is executed when it is in any of the objects that include it. */
function readLines(): Lines {
  const all: Lines = new Map();
  for (const data of filesBelow(built, ".gcda")) {
    const options = ["--json-format", "--stdout", "--demangled-names", data];
    const text = execFileSync("gcov", options, { cwd: built, encoding: "utf8", maxBuffer: 512 * 1024 * 1024 });
    for (const report of text.trim().split("\n")) addReport(all, JSON.parse(report) as GcovReport);
  }
  return all;
}

function addReport(all: Lines, { files }: GcovReport): void {
  for (const { file, lines } of files) {
    const name = relative(root, resolve(built, file));
    if (!name.startsWith(FOLDER)) continue;
    const known = all.get(name) ?? new Map<number, boolean>();
    for (const { line_number, count } of lines) known.set(line_number, count > 0 || known.get(line_number) === true);
    all.set(name, known);
  }
}

function percent(covered: number, total: number): string {
  return `${((100 * covered) / total).toFixed(1)} %`;
}

function report(all: Lines): { covered: number; total: number } {
  const sum = { covered: 0, total: 0 };
  for (const [file, lines] of [...all].sort(([a], [b]) => a.localeCompare(b))) {
    const missing = [...lines].filter(([, executed]) => !executed).map(([line]) => line);
    sum.covered += lines.size - missing.length;
    sum.total += lines.size;
    const not = missing.length === 0 ? "" : `  not: ${missing.sort((a, b) => a - b).join(" ")}`;
    console.log(`${file.padEnd(36)} ${percent(lines.size - missing.length, lines.size).padStart(8)}${not}`);
  }
  return sum;
}

run("cmake", "-S", "native", "--preset", "coverage", "--log-level=WARNING");
const jobs = process.env.JOBS ?? String(availableParallelism());
run("cmake", "--build", built, "--parallel", jobs, "--target", ...targets);
// Counts of an earlier run would be added to.
for (const data of filesBelow(built, ".gcda")) run("rm", data);
run(join(built, "native_tests"), "--gtest_brief=1");
run("ctest", "--test-dir", built, "-R", "fuzz_replay", "--output-on-failure");
const { covered, total } = report(readLines());
const enough = total > 0 && 100 * covered >= LEAST_PERCENT * total;
console.log(`${FOLDER}: ${covered} of ${total} lines, ${percent(covered, total)}; at least ${LEAST_PERCENT} %`);
process.exitCode = enough ? 0 : 1;
