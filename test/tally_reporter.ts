import { writeFileSync } from "node:fs";
import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from "vitest/node";
import { oneLine, type Tally } from "./report.ts";

/** Writes a Tally as JSON to vitest's `--outputFile`; vitest's own JSON does not keep why a test was skipped. */
export default class TallyReporter implements Reporter {
  #file = "";

  onInit({ config }: Vitest): void {
    if (typeof config.outputFile !== "string") throw new Error("the tally needs --outputFile=<file>");
    this.#file = config.outputFile;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tally = tallyModules(modules);
    if (unhandledErrors.length > 0)
      tally.failed.push({ name: "beside the tests", reason: firstMessage(unhandledErrors) });
    writeFileSync(this.#file, JSON.stringify(tally));
  }
}

/** A module or suite that fails beside its tests (import, hook) counts as one failure. */
export function tallyModules(modules: readonly TestModule[]): Tally {
  const tally: Tally = { passed: 0, failed: [], skipped: [] };
  for (const module of modules) {
    for (const test of module.children.allTests()) count(test, tally);
    const holders: (TestModule | TestSuite)[] = [module, ...module.children.allSuites()];
    const broken = holders.filter((holder) => holder.errors().length > 0);
    tally.failed.push(...broken.map((holder) => ({ name: nameOf(holder), reason: firstMessage(holder.errors()) })));
  }
  return tally;
}

function nameOf(holder: TestModule | TestSuite): string {
  return holder.type === "module" ? holder.relativeModuleId : holder.fullName;
}

function firstMessage([error]: readonly unknown[]): string {
  return oneLine((error as { message?: string } | undefined)?.message ?? String(error));
}

function count(test: TestCase, tally: Tally): void {
  const result = test.result();
  if (result.state === "passed") tally.passed++;
  else if (result.state === "failed") tally.failed.push({ name: test.fullName, reason: firstMessage(result.errors) });
  else tally.skipped.push({ name: test.fullName, reason: reasonOf(test) });
}

function reasonOf(test: TestCase): string {
  const result = test.result();
  if (result.state === "skipped" && result.note !== undefined) return result.note;
  for (let holder: TestModule | TestSuite = test.parent; ; holder = holder.parent) {
    if (holder.errors().length > 0) return "not run, because its suite failed";
    if (holder.type === "module") return "";
  }
}
