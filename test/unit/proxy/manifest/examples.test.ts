import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createPlanner } from "../../../../proxy/apply/planner.ts";
import { loadManifest } from "../../../../proxy/manifest/load.ts";

const EXAMPLES = new URL("../../../../examples/", import.meta.url).pathname;
/** Those that a proxy runs; a class is for a cluster. */
const MANIFESTS = (await readdir(EXAMPLES)).filter((name) => name.endsWith(".yaml") && name !== "class.yaml");

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "quicproxy-examples-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

it.each(MANIFESTS)("%s is valid, without a warning", async (name) => {
  expect(await loadManifest(join(EXAMPLES, name))).toMatchObject({ ok: true, warnings: [] });
});

it("quic-lb.yaml is planned with a key made as it says", async () => {
  const file = join(directory, "quic-lb.yaml");
  await copyFile(join(EXAMPLES, "quic-lb.yaml"), file);
  await writeFile(join(directory, "quic-lb.key"), "8f95f09245765f80256934e50c66207f\n", { mode: 0o600 });
  const planManifest = createPlanner({ file, stateDir: directory, keyDir: directory, cpus: 2 });
  const result = await planManifest(await readFile(file, "utf8"));
  expect(result).toMatchObject({
    plan: { warnings: [], settings: { quicLb: "rotation 0: 8 + 8 octets encrypted", serverIds: 3 } },
  });
});
