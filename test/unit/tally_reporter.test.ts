import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
let directory: string;
beforeAll(() => {
  // Below the repository, where the modules of vitest are found.
  mkdirSync(join(root, "build"), { recursive: true });
  directory = mkdtempSync(join(root, "build/tally-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

function tallyOf(files: Record<string, string>): unknown {
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(directory, name), `import { describe, test } from "vitest";\n${text}`);
  }
  // Otherwise the nearest one above is taken.
  writeFileSync(join(directory, "vitest.config.ts"), "export default {};");
  const report = join(directory, "tally.json");
  const reporter = `--reporter=${join(root, "test/tally_reporter.ts")}`;
  const vitest = [join(root, "node_modules/vitest/vitest.mjs"), "run", "--root", directory];
  try {
    execFileSync(process.execPath, [...vitest, reporter, `--outputFile=${report}`], { stdio: "pipe" });
  } catch {
    // The files hold failing tests.
  }
  return JSON.parse(readFileSync(report, "utf8"));
}

test("every test is counted once; what is skipped keeps its reason, if it has one", { timeout: 60_000 }, () => {
  const counted = tallyOf({
    "a.test.ts": `
      test("passes", () => {});
      test("fails", () => { throw new Error("x"); });
      describe("group", () => {
        test("leaves", (ctx) => ctx.skip("no IPv6 here"));
        test.skip("silent", () => {});
        test.todo("later");
      });`,
    "b.test.ts": `throw new Error("cannot be imported");`,
    "c.test.ts": `describe("hooks", () => { beforeAll(() => { throw new Error("hook"); }); test("not reached", () => {}); });
      import { beforeAll } from "vitest";`,
  });
  expect(counted).toEqual({
    passed: 1,
    failed: [
      { name: "fails", reason: "x" },
      { name: "b.test.ts", reason: "cannot be imported" },
      { name: "hooks", reason: "hook" },
    ],
    skipped: [
      { name: "group > leaves", reason: "no IPv6 here" },
      { name: "group > silent", reason: "" },
      { name: "group > later", reason: "" },
      { name: "hooks > not reached", reason: "not run, because its suite failed" },
    ],
  });
});
