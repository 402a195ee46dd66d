import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { faultsOf, targetOf } from "../../lint/import_rules.ts";
import { specifiersOf } from "../../lint/specifiers.ts";

const root = resolve(import.meta.dirname, "../../..");

/** Every door as it is, so that what a test adds is all that can be wrong. */
const doors = [
  { file: "kube/client_library.ts", target: "@kubernetes/client-node" },
  { file: "proxy/apply/addon.ts", target: "node:module" },
  { file: "host/reading/live/addon.ts", target: "node:module" },
];

const faults = (file: string, specifier: string): string[] =>
  faultsOf([...doors, { file, target: targetOf(file, specifier) }]);

test("what files import is found in every way of writing it", () => {
  const text = `
    import { a } from "./value.ts";
    import type { B } from "./type.ts";
    import { type C } from "./inline_type.ts";
    import "./effect.ts";
    export * from "./all.ts";
    export type { D } from "./exported_type.ts";
    type E = import("./type_query.ts").E;
    const late = await import("./late.ts");
    const text = 'import "./text.ts"'; // import "./comment.ts"
  `;
  const names = ["value", "type", "inline_type", "effect", "all", "exported_type", "type_query", "late"];
  expect(specifiersOf(text, "some.ts").sort()).toEqual(names.map((name) => `./${name}.ts`).sort());
});

describe("folders", () => {
  it.each([
    ["crds/schema.ts", "../kube/client.ts"],
    ["crds/schema.ts", "../process/log.ts"],
    ["process/log.ts", "../crds/schema.ts"],
    ["kube/client.ts", "../operator/names.ts"],
    ["kube/client.ts", "../process/log.ts"],
    ["kube/client.ts", "../proxy/contract/plan.ts"],
    ["operator/plan/plan.ts", "../../proxy/apply/plan.ts"],
    ["operator/plan/plan.ts", "../../proxy/run.ts"],
    ["operator/plan/plan.ts", "../../test/until.ts"],
    ["proxy/node/run.ts", "../../operator/names.ts"],
    ["proxy/node/run.ts", "../../test/until.ts"],
    ["proxy/contract/plan.ts", "../apply/plan.ts"],
    ["proxy/contract/plan.ts", "../../kube/client.ts"],
    ["proxy/connection_id/index.ts", "../contract/plan.ts"],
    ["host/reading/read.ts", "../../proxy/apply/addon.ts"],
    ["host/reading/read.ts", "../../crds/schema.ts"],
    ["image/build.ts", "../operator/names.ts"],
  ])("%s may not import %s", (file, specifier) => {
    expect(faults(file, specifier)).toEqual([
      expect.stringContaining(`${file} imports ${targetOf(file, specifier)}: `),
    ]);
  });

  it.each([
    ["kube/events.ts", "../crds/schema.ts"],
    ["operator/plan/plan.ts", "../../proxy/contract/plan.ts"],
    ["operator/plan/plan.ts", "../names.ts"],
    ["proxy/node/run.ts", "../contract/plan.ts"],
    ["proxy/node/run.ts", "../../kube/client.ts"],
    ["proxy/contract/plan.ts", "../../crds/schema.ts"],
    ["proxy/cli/run.ts", "../../package.json"],
    ["proxy/cli/run.ts", "node:os"],
    ["host/doctor/command.ts", "../../process/log.ts"],
    ["crds/schema.ts", "zod"],
  ])("%s may import %s", (file, specifier) => {
    expect(faults(file, specifier)).toEqual([]);
  });

  it("a folder without a rule is a fault", () => {
    expect(faults("new/file.ts", "node:os")).toEqual([expect.stringContaining("new/file.ts: ")]);
  });
});

describe("doors", () => {
  it.each([
    ["operator/command.ts", "@kubernetes/client-node"],
    ["kube/client.ts", "@kubernetes/client-node/dist/config.js"],
    ["proxy/apply/planner.ts", "node:module"],
  ])("%s may not import %s", (file, specifier) => {
    expect(faults(file, specifier)).toEqual([expect.stringContaining(`${file} imports ${specifier}: only `)]);
  });

  it.each(doors)("$file has to import $target", ({ file, target }) => {
    const others = doors.filter((door) => door.file !== file);
    expect(faultsOf(others)).toEqual([expect.stringContaining(`${file} does not import ${target}`)]);
  });
});

describe("cycles", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "quicproxy-lint-"));
    copyFileSync(join(root, "biome.json"), join(directory, "biome.json"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  function lint(files: Readonly<Record<string, string>>): string {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    try {
      const args = ["lint", "--vcs-enabled=false", "--colors=off", "."];
      return execFileSync(join(root, "node_modules/.bin/biome"), args, {
        cwd: directory,
        encoding: "utf8",
        stdio: "pipe",
      });
    } catch (error) {
      return (error as { stderr: string }).stderr;
    }
  }

  const first = 'import { b } from "./b.ts";\n\nexport const a = b;\n';

  it("are found by biome, also those of types and of three files", () => {
    const said = lint({
      "a.ts": first,
      "b.ts": 'import type { C } from "./c.ts";\n\nexport const b: C = 1;\n',
      "c.ts": 'import type { a } from "./a.ts";\n\nexport type C = typeof a;\n',
    });
    expect(said).toContain("a.ts:1:19 lint/suspicious/noImportCycles");
  });

  it("nothing is said where there are none", () => {
    expect(lint({ "a.ts": first, "b.ts": "export const b = 1;\n" })).not.toContain("lint/");
  });
});
