import { readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";

/** A test that did not pass, and why in one line. */
export interface NotPassed {
  name: string;
  /** Empty when nothing is said. */
  reason: string;
}

/** What one runner reports. */
export interface Tally {
  passed: number;
  failed: NotPassed[];
  skipped: NotPassed[];
}

interface GoogleTestCase {
  name: string;
  classname: string;
  status: "RUN" | "NOTRUN";
  result: "COMPLETED" | "SKIPPED" | "SUPPRESSED";
  failures?: { failure: string }[];
  skipped?: { message: string }[];
}

/** The JSON of `--gtest_output=json:`. */
export function tallyGoogleTest(text: string): Tally {
  const report = JSON.parse(text) as { testsuites: { testsuite: GoogleTestCase[] }[] };
  const cases = report.testsuites.flatMap(({ testsuite }) => testsuite);
  const skipped = cases.filter(({ result, status }) => result !== "COMPLETED" || status !== "RUN");
  const failed = cases.filter(({ failures }) => failures !== undefined && failures.length > 0);
  return {
    passed: cases.length - skipped.length - failed.length,
    failed: failed.map(({ classname, name, failures }) => ({
      name: `${classname}.${name}`,
      reason: oneLine(failures![0]!.failure),
    })),
    skipped: skipped.map(({ classname, name, skipped: notes }) => ({
      name: `${classname}.${name}`,
      reason: notes?.[0]?.message.trim().split("\n").slice(1).join(" ") ?? "",
    })),
  };
}

/** What test/tally_reporter.ts writes. */
export function tallyVitest(text: string): Tally {
  return JSON.parse(text) as Tally;
}

/** The JUnit file of ctest, which counts its cases in the attributes of its one test suite. */
export function tallyJUnit(text: string): Tally {
  const suite = /<testsuite\s[^>]*>/.exec(text)?.[0];
  if (suite === undefined) throw new Error("no test suite in the report");
  const tests = Number(/\stests="(\d+)"/.exec(suite)?.[1] ?? 0);
  const cases = (outcome: string): NotPassed[] =>
    [...text.matchAll(new RegExp(`<testcase name="([^"]+)"[^>]*>\\s*<${outcome} message="([^"]*)"`, "g"))].map(
      ([, name, reason]) => ({ name: name!, reason: reason! }),
    );
  const [failed, skipped] = [cases("failure"), cases("skipped")];
  return { passed: tests - failed.length - skipped.length, failed, skipped };
}

const longestReason = 400;

/** What a report or an error says, short enough for a closing line: the whole of it stands where the test ran. */
export function oneLine(text: string): string {
  const plain = stripVTControlCharacters(text).replaceAll(/\s+/g, " ").trim();
  return plain.length > longestReason ? `${plain.slice(0, longestReason)}…` : plain;
}

/** A test that is left out must say why: without a reason it counts as failed. */
export function demandReasons({ passed, failed, skipped }: Tally): Tally {
  const unexplained = skipped.filter(({ reason }) => reason.trim() === "");
  const faults = unexplained.map(({ name }) => ({ name, reason: "skipped without a reason" }));
  return { passed, failed: [...failed, ...faults], skipped: skipped.filter(({ reason }) => reason.trim() !== "") };
}

export function readTally(file: string, tally: (text: string) => Tally): Tally {
  return tally(readFileSync(file, "utf8"));
}

/** Every test that failed or was skipped, then `N passed, N failed, N skipped`. */
export function closingLines(tallies: readonly Tally[]): string[] {
  const failed = tallies.flatMap((tally) => tally.failed);
  const skipped = tallies.flatMap((tally) => tally.skipped);
  const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0);
  return [
    ...skipped.map(({ name, reason }) => `skipped: ${name}: ${reason}`),
    ...failed.map(({ name, reason }) => `failed: ${name}: ${reason}`),
    `${passed} passed, ${failed.length} failed, ${skipped.length} skipped`,
  ];
}
