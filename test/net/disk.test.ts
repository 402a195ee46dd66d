import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { LogStream } from "../../process/log_stream.ts";
import { lastGoodCopy } from "../../proxy/source/last_good.ts";
import { Network } from "./network.ts";
import type { Place } from "./place.ts";
import { untilTrue } from "./process.ts";
import { manifest, type ProxyProcess } from "./proxy.ts";

/* Disks that are full or read-only: what is kept there is not, that is said, and it is kept once it can be. */

const KIB = 1024;
const KEY = "default.edge.key";
const LIMIT = { timeout: 30_000 };

let disk: string;

beforeEach(() => {
  disk = mkdtempSync(join(tmpdir(), "quicproxy-disk-"));
});
afterEach(() => rmSync(disk, { recursive: true }));

/** A disk of so many octets for as long as something lasts. */
async function withDisk(bytes: number, use: () => Promise<void>): Promise<void> {
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", disk]);
  try {
    await use();
  } finally {
    execFileSync("umount", [disk]);
  }
}

const fill = (bytes: number): void => writeFileSync(join(disk, "filler"), Buffer.alloc(bytes));
/** `pid`: as a process sees it, for `ip netns exec` gives it mounts of its own. */
const remount = (how: "ro" | "rw", pid = process.pid): unknown =>
  execFileSync("nsenter", ["--mount", "--target", String(pid), "mount", "-o", `remount,${how}`, disk]);

describe("hash key", () => {
  let network: Network;
  let place: Place;

  beforeAll(() => {
    network = new Network();
  });
  afterAll(() => network.remove());
  beforeEach(() => {
    place = network.host.place(manifest({ backends: [network.service()] }));
  });
  afterEach(() => network.host.clear("SIGKILL"));

  const start = (): Promise<ProxyProcess> => network.host.start(place, { stateDir: disk });
  const keys = (): string[] => readdirSync(disk).filter((file) => file !== "filler");

  test.each([
    ["full", "ENOSPC", () => fill(16 * KIB), () => rmSync(join(disk, "filler"))],
    ["read-only", "EROFS", () => remount("ro"), (pid: number) => [pid, process.pid].map((each) => remount("rw", each))],
  ])("on a %s disk it is said not to be kept, and the one in use is kept from the reload on that can", async (...row) => {
    const [, code, breakDisk, mendDisk] = row;
    await withDisk(16 * KIB, async () => {
      breakDisk();
      const running = await start();
      expect(running.output).toMatch(new RegExp(`${code}.*: the hash key is random for this run`));
      expect(keys()).toEqual([]);
      mendDisk(running.pid);
      running.process.kill("SIGHUP");
      await untilTrue("the key is kept", () => keys().includes(KEY), 20);
      const key = readFileSync(join(disk, KEY), "utf8");
      // The same contract: nothing was changed by it.
      await untilTrue("that is said", () => running.output.includes("manifest unchanged"), 20);
      expect((await running.stop()).code).toBe(0);
      const again = await start();
      expect(again.output).not.toContain("random for this run");
      expect(readFileSync(join(disk, KEY), "utf8")).toBe(key);
      expect(keys()).toEqual([KEY]);
      expect((await again.stop()).code).toBe(0);
    });
  });
});

const copyOf = (generation: number) => {
  return {
    spec: { proxy: "edge", nodeName: "node-1", generation },
    backends: { generation, removals: "Observed" as const, backends: [] },
  };
};

test("a last-good copy that finds no room harms no older one and takes none", async () => {
  await withDisk(16 * KIB, async () => {
    const copy = lastGoodCopy(disk, "media", "edge.node-1");
    await copy.write(copyOf(1));
    await expect(copy.write({ ...copyOf(2), spec: "x".repeat(20 * KIB) })).rejects.toThrow("ENOSPC");
    expect(readdirSync(disk)).toEqual(["media.edge.node-1.json"]);
    await expect(copy.read()).resolves.toEqual(copyOf(1));
    await copy.write(copyOf(3));
    await expect(copy.read()).resolves.toEqual(copyOf(3));
  });
});

test("log lines are lost to a full disk, counted once however often that is to be said, and whole after it", async () => {
  const line = (number: number): string => `${String(number).padEnd(3 * KIB - 1, ".")}\n`;
  await withDisk(16 * KIB, async () => {
    const file = join(disk, "log");
    const read = (): string => readFileSync(file, "utf8");
    const fd = openSync(file, "w");
    const stream = new LogStream(fd, { retryMs: 5 });
    stream.onLoss = (lost, reason) => stream.write(`lost ${lost} ${reason}\n`);
    stream.write(line(1));
    fill(12 * KIB);
    // The second ends in the midst, with the last octets of the last page.
    for (const number of [2, 3, 4]) stream.write(line(number));
    await new Promise((wake) => setTimeout(wake, 200));
    expect(stream.lost).toBe(3);
    rmSync(join(disk, "filler"));
    await vi.waitFor(() => expect(read()).toContain("lost"), LIMIT);
    stream.write("five\n");
    const lines = read().split("\n");
    expect([lines[0], ...lines.slice(-3)]).toEqual([line(1).trimEnd(), "lost 3 ENOSPC", "five", ""]);
    expect(stream.lost).toBe(3);
    closeSync(fd);
  });
});
