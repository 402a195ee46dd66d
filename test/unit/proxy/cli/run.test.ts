import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { registerRun } from "../../../../proxy/cli/run.ts";

let directory: string;
let printed: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "quicproxy-run-"));
  printed = [];
  vi.spyOn(console, "error").mockImplementation((line: string) => void printed.push(line));
});

afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  await rm(directory, { recursive: true });
});

async function run(...options: string[]): Promise<void> {
  const program = new Command().exitOverride().configureOutput({ writeErr: (text) => void printed.push(text) });
  registerRun(program);
  for (const command of program.commands) command.exitOverride().configureOutput(program.configureOutput());
  await program.parseAsync(["run", ...options], { from: "user" });
}

describe("quicproxy run with wrong input", () => {
  it("prints every fault of the manifest, starts nothing and ends with 2", async () => {
    const file = join(directory, "edge.yaml");
    await writeFile(
      file,
      "apiVersion: quicproxy.io/v1alpha1\nkind: QuicProxy\nmetadata: { name: edge }\n" +
        "spec:\n  listeners: [{ port: 0 }]\n  backends: { static: [{ address: nowhere, port: 1 }] }\n",
    );
    await run("-f", file, "--state-dir", directory);
    expect(process.exitCode).toBe(2);
    expect(printed).toHaveLength(3);
    expect(printed[0]).toContain(`${file}:5:`);
    expect(printed[1]).toContain("spec.backends.static[0].address");
    expect(printed[2]).toBe("2 faults, nothing started");
  });

  it("ends with 2 where the manifest cannot be read", async () => {
    await run("-f", join(directory, "missing.yaml"));
    expect(process.exitCode).toBe(2);
    expect(printed[0]).toContain("does not exist");
  });

  it.each([
    ["--metrics", "9464", "ADDR:PORT"],
    ["--metrics", "localhost:80", "ADDR:PORT"],
    ["--log-level", "loud", "trace, debug, info"],
    ["--log-format", "xml", "auto, json, pretty"],
  ])("says what is allowed for %s %s", async (option, value, allowed) => {
    await expect(run("-f", "x", option, value)).rejects.toThrow(allowed);
  });
});
