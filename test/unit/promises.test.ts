import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

/* docs/promises.md names a test for each of its lines; here is seen to it that those tests are there. */

const root = resolve(import.meta.dirname, "../..");
const document = readFileSync(join(root, "docs/promises.md"), "utf8");

/** The last cell of each row: `file`: "title", "title"; `file`: "title". */
function namedTests(row: string): { file: string; title: string }[] {
  const cell = row.split("|").at(-2) ?? "";
  return [...cell.matchAll(/`([^`]+)`: ((?:"[^"]+"(?:, )?)+)/g)].flatMap(([, file, titles]) =>
    [...titles!.matchAll(/"([^"]+)"/g)].map(([, title]) => ({ file: file!, title: title! })),
  );
}

/** Whether a test file has a test of this title, as it is written there. */
function hasTest(file: string, title: string): boolean {
  const source = readFileSync(join(root, file), "utf8");
  if (!file.endsWith(".cc"))
    return [`"${title}"`, `\`${title}\``].some(
      (literal) => source.includes(`(${literal},`) || source.includes(`\n      ${literal},`),
    );
  const [suite, name] = title.split(".");
  return ["TEST", "TEST_F", "TEST_P"].some((macro) => source.includes(`${macro}(${suite}, ${name})`));
}

const rows = document.split("\n").filter((line) => line.startsWith("| ") && !/^\| (case|promise) \|/.test(line));

describe("docs/promises.md", () => {
  it("has promises", () => {
    expect(rows.length).toBeGreaterThan(20);
  });

  it.each(rows.map((row) => [row.split("|")[1]!.trim(), row]))("%s: its tests are there", (_, row) => {
    const tests = namedTests(row);
    expect(tests).not.toEqual([]);
    // Nothing in the cell but tests: a name that is not understood would not be looked for.
    const understood = tests.reduce(
      (cell, { file, title }) => cell.replace(`\`${file}\``, "").replace(`"${title}"`, ""),
      row.split("|").at(-2)!,
    );
    expect(understood.replaceAll(/[\s:;,]/g, "")).toBe("");
    expect(tests.filter(({ file, title }) => !hasTest(file, title))).toEqual([]);
  });

  it("finds out a name that is no test's", () => {
    expect(hasTest("test/interop/promises.test.ts", "live connections outlast a restart of the proxy")).toBe(true);
    expect(hasTest("test/interop/promises.test.ts", "live connections outlast")).toBe(false);
    expect(hasTest("test/native/route/safety_test.cc", "Safety.S4")).toBe(false);
  });
});
