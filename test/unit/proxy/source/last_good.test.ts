import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lastGoodCopy } from "../../../../proxy/source/last_good.ts";

const copyOf = (generation: number) => {
  const spec = { proxy: "edge", nodeName: "node-1", generation };
  const backends = [{ address: "10.0.0.7", port: 4433, weight: 1 }];
  return { spec, backends: { generation, removals: "Observed" as const, backends } };
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
    await expect(copy.read()).rejects.toThrow(`${copy.file} is damaged: `);
    await writeFile(copy.file, '{"format":1,"spec":{}}');
    await expect(copy.read()).rejects.toThrow("has format 1, this version reads 2");
  });

  const backends = (changes: object) => ({ ...copyOf(1), backends: { ...copyOf(1).backends, ...changes } });
  it.each<[string, unknown, string]>([
    ["no object", 7, "has format undefined"],
    ["nothing", null, "has format undefined"],
    [
      "of another node",
      { ...copyOf(1), spec: { proxy: "edge", nodeName: "node-2" } },
      "is of edge.node-2, not of edge.node-1",
    ],
    ["without settings", { backends: copyOf(1).backends }, "is of undefined.undefined, not of edge.node-1"],
    ["without backends", { spec: copyOf(1).spec }, "is damaged: backends: allowed: "],
    ["with backends that are no list", backends({ backends: {} }), "is damaged: backends.backends: allowed: "],
    ["with a backend that is null", backends({ backends: [null] }), "is damaged: backends.backends.0: allowed: "],
    [
      "with a weight that is text",
      backends({ backends: [{ address: "10.0.0.7", port: 1, weight: "1" }] }),
      "backends.0.weight",
    ],
    ["with an address that is none", backends({ backends: [{ address: "here", port: 1 }] }), "backends.0.address"],
    ["with a generation that is none", backends({ generation: -1 }), "is damaged: backends.generation: allowed: "],
  ])("is refused where it is %s", async (_, content, said) => {
    const copy = lastGoodCopy(directory, "media", "edge.node-1");
    await writeFile(
      copy.file,
      JSON.stringify({ ...(content !== null && typeof content === "object" && { format: 2 }), ...Object(content) }),
    );
    await expect(copy.read()).rejects.toThrow(said);
  });

  it("fails, and harms no older one, where the directory is none", async () => {
    const copy = lastGoodCopy(directory, "media", "edge.node-1");
    await copy.write(copyOf(1));
    await expect(lastGoodCopy(copy.file, "media", "edge.node-1").write(copyOf(2))).rejects.toThrow();
    await expect(copy.read()).resolves.toEqual(copyOf(1));
  });
});
