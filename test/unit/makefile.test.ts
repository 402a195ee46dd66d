import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";

const makefile = readFileSync(resolve(import.meta.dirname, "../../Makefile"), "utf8");

test("every target that is named has a rule: make does nothing, and says so quietly, for one that has none", () => {
  const targets = /^\.PHONY: (.+)$/m.exec(makefile)![1]!.split(" ");
  expect(targets.length).toBeGreaterThan(15);
  for (const target of targets) expect(makefile).toMatch(new RegExp(`^${target}:.* ## \\S`, "m"));
});
