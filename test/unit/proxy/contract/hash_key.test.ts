import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadHashKey } from "../../../../proxy/contract/hash_key.ts";

const KEY = "000102030405060708090a0b0c0d0e0f";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "hash-key-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

const owner = (stateDir = directory) => ({ stateDir, namespace: "media", name: "edge" });
const keyFile = (stateDir = directory): string => join(stateDir, "media.edge.key");

async function writeKey(text: string, mode = 0o600): Promise<void> {
  await writeFile(keyFile(), text);
  await chmod(keyFile(), mode);
}

describe("loadHashKey", () => {
  it("makes a key once and keeps it, for this user alone", async () => {
    const stateDir = join(directory, "a", "b");
    const first = await loadHashKey(owner(stateDir));
    const second = await loadHashKey(owner(stateDir));
    expect(first.warning).toBeUndefined();
    expect(first.key).toHaveLength(16);
    expect(second).toEqual(first);
    expect(await readdir(stateDir)).toEqual(["media.edge.key"]);
    expect((await stat(keyFile(stateDir))).mode & 0o777).toBe(0o600);
    expect((await stat(stateDir)).mode & 0o777).toBe(0o700);
    expect(await readFile(keyFile(stateDir), "latin1")).toBe(`${Buffer.from(first.key).toString("hex")}\n`);
  });

  it("makes a key for each QuicProxy", async () => {
    const [one, other] = await Promise.all([loadHashKey(owner()), loadHashKey({ ...owner(), name: "other" })]);
    expect(one.key).not.toEqual(other.key);
  });

  it("gives proxies that start at once the same key", async () => {
    const keys = await Promise.all(Array.from({ length: 16 }, () => loadHashKey(owner())));
    for (const key of keys) expect(key).toEqual(keys[0]);
    expect(await readdir(directory)).toEqual(["media.edge.key"]);
  });

  it("takes a key that was copied from another host", async () => {
    await writeKey(`  ${KEY.toUpperCase()}\n\n`);
    expect(await loadHashKey(owner())).toEqual({ key: Uint8Array.from({ length: 16 }, (_, index) => index) });
  });

  it("uses a key that others may read, and says so", async () => {
    await writeKey(KEY, 0o644);
    const { key, warning } = await loadHashKey(owner());
    expect(key[15]).toBe(15);
    expect(warning).toContain(`chmod 600 ${keyFile()}`);
  });

  it.each([
    ["nothing", ""],
    ["half a key", KEY.slice(16)],
    ["too much", `${KEY}00`],
    ["something else", KEY.replace("0f", "xy")],
    ["only zeros", "0".repeat(32)],
  ])("does not use a file that holds %s, nor touch it", async (_, text) => {
    await writeKey(text);
    const [first, second] = [await loadHashKey(owner()), await loadHashKey(owner())];
    expect(first.key).toHaveLength(16);
    expect(first.key).not.toEqual(second.key);
    expect(first.warning).toContain("random for this run");
    expect(first.warning).toContain("remove the file");
    expect(await readFile(keyFile(), "latin1")).toBe(text);
  });

  it.each([
    ["cannot be made", async () => join(await aFile(), "state")],
    ["is a file", () => aFile()],
    ["refuses new files", () => "/proc/self"],
  ])("runs with a random key where the state directory %s, and says what follows", async (_, stateDir) => {
    const { key, warning } = await loadHashKey(owner(await stateDir()));
    expect(key).toHaveLength(16);
    expect(warning).toContain("random for this run, so a restart may send known flows to other backends");
    expect(warning).toContain("--state-dir");
  });

  async function aFile(): Promise<string> {
    const file = join(directory, "file");
    await writeFile(file, "");
    return file;
  }
});
