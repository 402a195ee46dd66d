import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lastGoodCopy } from "../../../../proxy/source/last_good.ts";

const copyOf = (generation: number) => {
  return { spec: { generation }, backends: { generation, removals: "Observed" as const, backends: [] } };
};

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "quicproxy-last-good-"));
});

afterEach(() => rm(directory, { recursive: true }));

describe("the last-good copy", () => {
  it("gives back what was written last, and nothing before", async () => {
    const copy = lastGoodCopy(join(directory, "new", "folder"), "media", "edge.node-1");
    await expect(copy.read()).resolves.toBeUndefined();
    await copy.write(copyOf(1));
    await copy.write(copyOf(2));
    await expect(copy.read()).resolves.toEqual(copyOf(2));
  });

  it("can be read by its owner only, and leaves no draft behind", async () => {
    const copy = lastGoodCopy(directory, "media", "edge.node-1");
    await copy.write(copyOf(1));
    expect((await stat(copy.file)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(["media.edge.node-1.json"]);
  });

  it("is refused where it is torn or of another format", async () => {
    const copy = lastGoodCopy(directory, "media", "edge.node-1");
    await writeFile(copy.file, '{"format":2,"spe');
    await expect(copy.read()).rejects.toThrow();
    await writeFile(copy.file, '{"format":1,"spec":{}}');
    await expect(copy.read()).rejects.toThrow("has format 1, this version reads 2");
  });

  it("fails, and harms no older one, where the directory is none", async () => {
    const copy = lastGoodCopy(directory, "media", "edge.node-1");
    await copy.write(copyOf(1));
    await expect(lastGoodCopy(copy.file, "media", "edge.node-1").write(copyOf(2))).rejects.toThrow();
    await expect(copy.read()).resolves.toEqual(copyOf(1));
  });
});
