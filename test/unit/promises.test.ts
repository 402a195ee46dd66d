import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

/* Documents that name a test for each of their lines: here is seen to it that those tests are there. */

const root = resolve(import.meta.dirname, "../..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");

/** The last cell of each row: `file`: "title", "title"; `file`: "title". */
function namedTests(row: string): { file: string; title: string }[] {
  const cell = row.split("|").at(-2) ?? "";
  return [...cell.matchAll(/`([^`]+)`: ((?:"[^"]+"(?:, )?)+)/g)].flatMap(([, file, titles]) =>
    [...titles!.matchAll(/"([^"]+)"/g)].map(([, title]) => ({ file: file!, title: title! })),
  );
}

/** Whether a test file has a test of this title, as it is written there. */
function hasTest(file: string, title: string): boolean {
  const source = read(file);
  if (!file.endsWith(".cc")) {
    // A row of a table of tests has its title as its name.
    const isTable = source.includes("describeRows(");
    return [`"${title}"`, `\`${title}\``].some((literal) =>
      [`(${literal},`, `\n      ${literal},`, ...(isTable ? [`      name: ${literal},\n`] : [])].some((text) =>
        source.includes(text),
      ),
    );
  }
  const [suite, name] = title.split(".");
  return ["TEST", "TEST_F", "TEST_P"].some((macro) => source.includes(`${macro}(${suite}, ${name})`));
}

/** Those of tables, without their heads. */
function rowsOf(document: string): string[] {
  return read(document)
    .split("\n")
    .filter((line) => line.startsWith("| ") && !/^\| (case|promise|attack) \|/.test(line));
}

describe.each([
  ["docs/promises.md", 30],
  ["docs/threat-model.md", 20],
])("%s", (document, fewest) => {
  const rows = rowsOf(document);

  it("has lines", () => {
    expect(rows.length).toBeGreaterThan(fewest);
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
});

it("a name that is no test's is found out", () => {
  expect(hasTest("test/interop/promises.test.ts", "live connections outlast a restart of the proxy")).toBe(true);
  expect(hasTest("test/interop/promises.test.ts", "live connections outlast")).toBe(false);
  expect(hasTest("test/native/route/safety_test.cc", "Safety.S4")).toBe(false);
  expect(hasTest("test/net/counters_undeliverable.test.ts", "the queue of the device toward the client is full")).toBe(
    true,
  );
  expect(hasTest("test/net/counters_undeliverable.test.ts", "the queue of the device")).toBe(false);
});

/** The numbers of one line: `NAME` = `value`, `NAME` = `value` (`file`). */
function numbersOf(line: string): { file: string; name: string; value: string }[] {
  const file = /\(`([^`]+)`\)/.exec(line)?.[1] ?? "";
  return [...line.matchAll(/`(\w+)` = `([^`]+)`/g)].map(([, name, value]) => ({ file, name: name!, value: value! }));
}

/** Whether a source file gives this value to this constant or macro; digits may be grouped. */
function hasNumber(file: string, name: string, value: string): boolean {
  const source = read(file).replaceAll(/(?<=\d)['_](?=\d)/g, "");
  return [`${name} = ${value};`, `#define ${name} ${value}\n`].some((text) => source.includes(text));
}

describe("the numbers of docs/threat-model.md", () => {
  const lines = read("docs/threat-model.md")
    .split("\n")
    .filter((line) => /^- `\w+` = /.test(line));

  it.each(lines.flatMap(numbersOf))("$name is $value in $file", ({ file, name, value }) => {
    expect(hasNumber(file, name, value)).toBe(true);
  });

  it("are found out where they are not the code's", () => {
    expect(lines.length).toBeGreaterThan(10);
    expect(hasNumber("native/route/path_proof.h", "kUnconfirmedIdleMs", "3000")).toBe(false);
  });
});
