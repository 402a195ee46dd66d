import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { specShape } from "../../../../crds/schema.ts";
import { registerExplain } from "../../../../proxy/cli/explain.ts";
import { lastGoodCopy } from "../../../../proxy/source/last_good.ts";

/* `explain` in a pod: held against what the proxy there has in force. With the real addon. */

const BACKENDS = [
  { address: "10.0.0.7", port: 4433, weight: 1, serverId: "c4605e" },
  { address: "10.0.0.8", port: 4433, weight: 1, serverId: "c4605f" },
];

let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "explain-copy-"));
  await keep(join(directory, "one"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));
afterEach(() => {
  process.exitCode = undefined;
});

async function keep(where: string, name = "edge.node-1.example"): Promise<void> {
  const routing = { quicLB: [{ rotation: 0, serverIdLength: 3, nonceLength: 4 }] };
  const intent = specShape.parse({ listeners: [{ port: 443 }], backends: { static: [] }, routing });
  const spec = { proxy: "edge", nodeName: "node-1.example", generation: 7, hashKey: "0f".repeat(16), intent };
  const backends = { generation: 3, removals: "Observed" as const, backends: BACKENDS };
  await lastGoodCopy(where, "media", name).write({ spec, backends });
}

async function explain(...options: string[]): Promise<{ out: string; err: string; exitCode: number }> {
  const written = { out: [] as string[], err: [] as string[] };
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  registerExplain(program, { out: (text) => written.out.push(text), err: (text) => written.err.push(text) });
  await program.parseAsync(["explain", ...options], { from: "user" });
  return { out: written.out.join(""), err: written.err.join(""), exitCode: Number(process.exitCode ?? 0) };
}

describe("explain --last-good", () => {
  it("names the backend of an ID, and that of the fallback by the hash key that the proxy has", async () => {
    const { out, exitCode } = await explain("--last-good", join(directory, "one"), "--cid", "00c4605f01020304");
    expect(exitCode).toBe(0);
    expect(out).toContain("backend: 10.0.0.8:4433");
    const tuple = ["--from", "192.0.2.1:50000", "--to", "192.0.2.2:443"];
    const fallback = await explain("--last-good", join(directory, "one"), "--cid", "e001020304050607", ...tuple);
    expect(fallback.out).toMatch(/backend: 10\.0\.0\.[78]:4433/);
  });

  it.each([
    ["a directory that is not there", "none", undefined, "no such file or directory"],
    ["a directory without a copy", "empty", "", "no copy: the proxy has nothing in force yet"],
    ["a damaged copy", "damaged", "{", "cannot be read"],
    ["the copy of another version", "foreign", '{"format":1}', "has format 1"],
    ["a copy whose spec is none", "wrong", '{"format":2,"spec":{},"backends":{}}', "allowed:"],
  ])("says what is wrong: %s", async (_, name, content, said) => {
    const where = join(directory, name);
    if (content !== undefined) await keep(where, "edge.node-1");
    if (content === "") rmSync(join(where, "media.edge.node-1.json"));
    else if (content !== undefined) writeFileSync(join(where, "media.edge.node-1.json"), content);
    const { err, exitCode } = await explain("--last-good", where, "--cid", "00c4605f01020304");
    expect(exitCode).toBe(2);
    expect(err).toContain(said);
  });

  it("says what is wrong: copies of two proxies, nothing named, and both", async () => {
    const where = join(directory, "two");
    await keep(where);
    await keep(where, "other.node-1");
    const two = await explain("--last-good", where, "--cid", "00c4605f01020304");
    expect(two).toMatchObject({ exitCode: 2, err: expect.stringContaining("more than one proxy's copy") });
    const none = await explain("--cid", "00c4605f01020304");
    expect(none).toMatchObject({ exitCode: 2, err: expect.stringContaining("one of --file and --last-good") });
    await expect(explain("-f", "edge.yaml", "--last-good", where, "--cid", "00")).rejects.toThrow(
      "cannot be used with",
    );
  });
});
