import { execFileSync, spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");

test("the Rust example builds and reads every vector of QUIC-LB", ({ skip }) => {
  skip(spawnSync("cargo", ["--version"]).error !== undefined, "cargo is not installed: the Rust example is not tested");
  const output = execFileSync("cargo", ["test", "--locked", "--quiet"], {
    cwd: resolve(root, "examples/rust"),
    env: { ...process.env, CARGO_TARGET_DIR: resolve(root, "build/rust") },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  expect(output).toMatch(/test result: ok\. 6 passed/);
}, 600_000);
