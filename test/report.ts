import { readFileSync } from "node:fs";

/** What one runner reports. */
export interface Tally {
  passed: number;
  failed: number;
  /** The reason is empty when the test gives none. */
  skipped: { name: string; reason: string }[];
}

interface GoogleTestCase {
  name: string;
  classname: string;
  status: "RUN" | "NOTRUN";
  result: "COMPLETED" | "SKIPPED" | "SUPPRESSED";
  failures?: unknown[];
  skipped?: { message: string }[];
}

/** The JSON of `--gtest_output=json:`. */
export function tallyGoogleTest(text: string): Tally {
  const report = JSON.parse(text) as { testsuites: { testsuite: GoogleTestCase[] }[] };
  const cases = report.testsuites.flatMap(({ testsuite }) => testsuite);
  const skipped = cases.filter(({ result, status }) => result !== "COMPLETED" || status !== "RUN");
  const failed = cases.filter(({ failures }) => failures !== undefined && failures.length > 0).length;
  return {
    passed: cases.length - skipped.length - failed,
    failed,
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

/** The JUnit file of ctest, whose counts stand in the attributes of its one test suite. */
export function tallyJUnit(text: string): Tally {
  const suite = /<testsuite\s[^>]*>/.exec(text)?.[0];
  if (suite === undefined) throw new Error("no test suite in the report");
  const attribute = (name: string): number => Number(new RegExp(`\\s${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const failed = attribute("failures");
  const skipped = [...text.matchAll(/<testcase name="([^"]+)"[^>]*>\s*<skipped message="([^"]*)"/g)];
  return {
    passed: attribute("tests") - failed - skipped.length,
    failed,
    skipped: skipped.map(([, name, reason]) => ({ name: name!, reason: reason! })),
  };
}

/** A test that is left out must say why: without a reason it counts as failed and is named. */
export function demandReasons({ passed, failed, skipped }: Tally): { tally: Tally; unexplained: string[] } {
  const unexplained = skipped.filter(({ reason }) => reason.trim() === "").map(({ name }) => name);
  const explained = skipped.filter(({ reason }) => reason.trim() !== "");
  return { tally: { passed, failed: failed + unexplained.length, skipped: explained }, unexplained };
}

export function readTally(file: string, tally: (text: string) => Tally): Tally {
  return tally(readFileSync(file, "utf8"));
}

export function summaryLine(tallies: readonly Tally[]): string {
  const sum = (count: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + count(tally), 0);
  const skipped = sum((tally) => tally.skipped.length);
  return `${sum((tally) => tally.passed)} passed, ${sum((tally) => tally.failed)} failed, ${skipped} skipped`;
}
