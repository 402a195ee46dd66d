import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { QuicProxySpec } from "../../../../crds/schema.ts";
import { readQuicLbKeys } from "../../../../proxy/contract/quic_lb_keys.ts";

type Key = NonNullable<NonNullable<QuicProxySpec["routing"]["quicLB"]>[number]["key"]>;

const KEY = "8f95f09245765f80256934e50c66207f";
const OCTETS = Uint8Array.from(Buffer.from(KEY, "hex"));

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "quic-lb-keys-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

function routing(...keys: (Key | undefined)[]): QuicProxySpec["routing"] {
  const quicLB = keys.map((key, rotation) => ({ rotation, serverIdLength: 8, nonceLength: 8, key }));
  return { fallback: "FourTuple", idleTimeout: "120s", quicLB } as QuicProxySpec["routing"];
}

const places = () => ({ baseDir: directory, keyDir: join(directory, "secrets") });
const read = (...keys: (Key | undefined)[]) => readQuicLbKeys(routing(...keys), places());

async function write(name: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  await writeFile(join(directory, name), content);
  await chmod(join(directory, name), mode);
}

describe("readQuicLbKeys", () => {
  it.each([
    ["32 digits", KEY],
    ["capital digits and line ends", `\n${KEY.toUpperCase()}\r\n`],
    ["16 octets", OCTETS],
    ["16 octets that look like text", Uint8Array.from(Buffer.from("0123456789abcde\n"))],
  ])("reads %s", async (_, content) => {
    await write("a.key", content);
    const { keys, faults, warnings } = await read({ file: "a.key" });
    expect({ faults, warnings }).toEqual({ faults: [], warnings: [] });
    expect(keys.get(0)).toEqual(content instanceof Uint8Array ? content : OCTETS);
  });

  it("takes files by absolute path and Secrets from the key directory, and leaves plain configs alone", async () => {
    await write("a.key", KEY);
    await mkdir(join(directory, "secrets/edge-cids/..data"), { recursive: true });
    await write("secrets/edge-cids/..data/key", OCTETS);
    await symlink("..data/key", join(directory, "secrets/edge-cids/key"));
    const { keys, faults } = await read(
      undefined,
      { file: join(directory, "a.key") },
      { secretRef: { name: "edge-cids" } },
    );
    expect(faults).toEqual([]);
    expect([...keys]).toEqual([
      [1, OCTETS],
      [2, OCTETS],
    ]);
  });

  it("takes the entry of a Secret that is named", async () => {
    await mkdir(join(directory, "secrets/edge-cids"), { recursive: true });
    await write("secrets/edge-cids/second", OCTETS);
    const { keys, faults } = await read({ secretRef: { name: "edge-cids", key: "second" } });
    expect(faults).toEqual([]);
    expect([...keys]).toEqual([[0, OCTETS]]);
  });

  it("warns of a file that others may read", async () => {
    await write("a.key", KEY, 0o644);
    const { keys, warnings } = await read({ file: "a.key" });
    expect(keys.get(0)).toEqual(OCTETS);
    expect(warnings).toEqual([
      {
        path: ["routing", "quicLB", 0, "key", "file"],
        what: `${join(directory, "a.key")} may be read by others, who can then decode server IDs`,
        allowed: `chmod 600 ${join(directory, "a.key")}`,
      },
    ]);
  });

  it.each([
    ["too short", KEY.slice(1), "does not hold a key"],
    ["too long", `${KEY}0`, "does not hold a key"],
    ["no hexadecimal", KEY.replace("8f", "xy"), "does not hold a key"],
    ["empty", "", "does not hold a key"],
    ["only zeros", new Uint8Array(16), "holds only zeros"],
    ["large", KEY.repeat(100), "has 3200 octets"],
  ])("refuses a key that is %s and says nothing of what it holds", async (_, content, what) => {
    await write("a.key", content);
    const { keys, faults } = await read({ file: "a.key" });
    expect(keys.size).toBe(0);
    expect(faults).toEqual([
      {
        path: ["routing", "quicLB", 0, "key", "file"],
        what: `${join(directory, "a.key")} ${what}`,
        allowed: "a file of 32 hexadecimal digits or 16 octets",
      },
    ]);
  });

  it("refuses what is no file, also what would never end", async () => {
    await mkdir(join(directory, "folder"));
    execFileSync("mkfifo", [join(directory, "pipe")]);
    const { faults } = await read(
      { file: "folder" },
      { file: "pipe" },
      { file: "/dev/zero" },
      { file: "none" },
      { file: "a\0b" },
    );
    expect(faults.map(({ what }) => what)).toEqual([
      `${directory}/folder is not a file`,
      `${directory}/pipe is not a file`,
      "/dev/zero is not a file",
      `${directory}/none does not exist`,
      expect.stringContaining("cannot be read"),
    ]);
  });

  it("tells how to name a file where no Secret is mounted", async () => {
    const { faults } = await read({ secretRef: { name: "edge-cids" } });
    expect(faults).toEqual([
      {
        path: ["routing", "quicLB", 0, "key", "secretRef"],
        what: `${directory}/secrets/edge-cids/key does not exist`,
        allowed: expect.stringContaining("key.file"),
      },
    ]);
  });

  it("knows no files where there is no manifest file", async () => {
    const { faults } = await readQuicLbKeys(routing({ file: "/etc/passwd" }), {
      baseDir: undefined,
      keyDir: directory,
    });
    expect(faults).toMatchObject([
      { what: "names a file, and there is no manifest file here", allowed: "key.secretRef" },
    ]);
  });
});
