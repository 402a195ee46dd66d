import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { faultsOf, targetOf } from "./import_rules.ts";
import { specifiersOf } from "./specifiers.ts";

/* Who may import whom, as lint: the rules are in import_rules.ts. Tests import what they like. */

const root = resolve(import.meta.dirname, "../..");

/** Those that git knows or would add. */
function sourceFiles(): string[] {
  const list = ["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "*/*.ts"];
  const files = execFileSync("git", list, { cwd: root, encoding: "utf8" }).trim().split("\n");
  return files.filter((file) => !file.startsWith("test/") && existsSync(resolve(root, file)));
}

const imports = sourceFiles().flatMap((file) =>
  specifiersOf(readFileSync(resolve(root, file), "utf8"), file).map((specifier) => {
    return { file, target: targetOf(file, specifier) };
  }),
);
const faults = faultsOf(imports);
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
