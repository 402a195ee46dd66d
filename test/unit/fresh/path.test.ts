import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { freshPath } from "../../fresh/path.ts";
import { runners } from "../../runners.ts";

const root = resolve(import.meta.dirname, "../../..");
const work = mkdtempSync(join(tmpdir(), "quicproxy-fresh-"));
afterAll(() => rmSync(work, { recursive: true }));

const table = execFileSync(join(root, "setup/packages.sh"), ["--needs"], { encoding: "utf8" }).trim().split("\n");
const without = (program: string): string[] => table.filter((line) => line.split(/\s+/)[1] !== program);
const noDpkg = existsSync("/var/lib/dpkg/status") ? false : "dpkg is not here: the PATH stays as it is";

describe("on a system with dpkg", () => {
  test("a program that no line installs is not found, although the machine has it", ({ skip }) => {
    skip(noDpkg !== false, String(noDpkg));
    expect(existsSync("/usr/sbin/ethtool")).toBe(true);
    const said = (needs: readonly string[]) => {
      const { path } = freshPath({ groups: ["lab"], needs, directory: join(work, "path") });
      const { status, stderr } = spawnSync("sh", ["-c", "ethtool --version"], {
        env: { PATH: path },
        encoding: "utf8",
      });
      return { status, stderr: stderr.trim() };
    };
    expect(said(table)).toEqual({ status: 0, stderr: "" });
    expect(said(without("ethtool"))).toEqual({ status: 127, stderr: expect.stringMatching(/ethtool: not found$/) });
    expect(said(table)).toEqual({ status: 0, stderr: "" });
  });

  test("a group that is none is named", ({ skip }) => {
    skip(noDpkg !== false, String(noDpkg));
    const { status, stderr } = spawnSync(process.execPath, [join(root, "test/fresh/main.ts"), "lab", "labor"], {
      encoding: "utf8",
    });
    expect(status).not.toBe(0);
    expect(stderr).toContain("setup/packages.sh has no group labor; there are build, native, lab");
  });

  test("what is asked for by name or done without where it is missing comes from the PATH as it was", ({ skip }) => {
    skip(noDpkg !== false, String(noDpkg));
    const bin = join(work, "bin");
    mkdirSync(bin, { recursive: true });
    for (const name of ["go", "my-c++", "leftover"]) {
      writeFileSync(join(bin, name), "#!/bin/sh\n");
      chmodSync(join(bin, name), 0o755);
    }
    const directory = join(work, "named");
    const env = { PATH: bin, CXX: "my-c++ -m64" };
    const programs = (path: string) => {
      freshPath({ groups: ["image"], needs: table, directory, env: { ...env, PATH: path } });
      return readdirSync(join(directory, "image"));
    };
    const first = programs(bin);
    expect(first).toEqual(expect.arrayContaining(["go", "my-c++", "sh", "umoci"]));
    expect(first).not.toContain("leftover");
    // A suite may start another one.
    expect(programs(join(directory, "image"))).toEqual(first);
    execFileSync(join(directory, "image", "go"));
    expect(programs("/nowhere")).not.toContain("go");
  });

  test("a test run fails for a program that setup/packages.sh does not install", { timeout: 120_000 }, ({ skip }) => {
    skip(noDpkg !== false, String(noDpkg));
    const tree = join(work, "tree");
    cpSync(join(root, "test"), join(tree, "test"), {
      recursive: true,
      filter: (path) => !/\/test\/\w+\/\w/.test(path) || path.includes("/test/fresh"),
    });
    mkdirSync(join(tree, "setup"));
    mkdirSync(join(tree, "test/unit"), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
    for (const file of ["package.json", "vitest.config.ts"]) cpSync(join(root, file), join(tree, file));
    writeFileSync(
      join(tree, "test/unit/ethtool.test.ts"),
      `import { execFileSync } from "node:child_process";
       import { test } from "vitest";
       test("ethtool", () => void execFileSync("sh", ["-c", "ethtool --version"], { stdio: "pipe" }));`,
    );
    const lastLines = (needs: readonly string[]) => {
      writeFileSync(join(tree, "setup/packages.sh"), `#!/bin/sh\ncat <<'TABLE'\n${needs.join("\n")}\nTABLE\n`, {
        mode: 0o755,
      });
      const { stdout } = spawnSync(process.execPath, ["test/run.ts", "unit"], { cwd: tree, encoding: "utf8" });
      return stdout.trim().split("\n").slice(-2).join("\n");
    };
    expect(lastLines(without("ethtool"))).toMatch(
      /failed: unit: ethtool: .*ethtool: not found\n0 passed, 1 failed, 0 skipped$/,
    );
    expect(lastLines(table)).toMatch(/\n1 passed, 0 failed, 0 skipped$/);
  });
});

test("without dpkg the PATH stays as it is, and that is said", () => {
  const options = { groups: ["lab"], database: work, env: { PATH: "/somewhere" } } as const;
  expect(freshPath(options)).toEqual({ path: "/somewhere", asItWas: expect.stringContaining("dpkg") });
});

test("a cluster that somebody names may want that somebody's programs", () => {
  const env = { PATH: "/somewhere", E2E_KUBECONFIG: "/kubeconfig" };
  expect(freshPath({ groups: ["cluster"], env })).toMatchObject({ path: "/somewhere" });
});

/** What `make` installs before it runs the suites of a target. */
function groupsOf(target: string): string[] {
  const commands = execFileSync("make", ["--dry-run", "--always-make", target], { cwd: root, encoding: "utf8" });
  return [...commands.matchAll(/^setup\/packages\.sh (.+)$/gm)].flatMap(([, groups]) => groups!.split(" "));
}

test.each([
  ["test", runners.filter(({ needsCluster }) => !needsCluster)],
  ["test-native", runners.filter(({ name }) => name === "native-release")],
  ["test-asan", runners.filter(({ name }) => name === "native-asan")],
  ["soak", runners.filter(({ name }) => name === "soak-tsan")],
  ["e2e", runners.filter(({ needsCluster }) => needsCluster)],
])("make %s installs the groups that its suites have on their PATH", (target, ran) => {
  expect(ran.length).toBeGreaterThan(0);
  expect(groupsOf(target)).toEqual(expect.arrayContaining(ran.flatMap(({ packages }) => packages)));
});
