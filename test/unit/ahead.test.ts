import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { Ahead } from "../ahead.ts";

const work = mkdtempSync(join(tmpdir(), "quicproxy-ahead-"));
afterAll(() => rmSync(work, { recursive: true }));

const logFile = join(work, "log");
const start = (commands: readonly (readonly string[])[]): Ahead =>
  new Ahead({ commands, cwd: work, env: process.env, logFile });

async function until(what: () => boolean): Promise<void> {
  for (const limit = Date.now() + 30_000; !what(); await sleep(10)) {
    if (Date.now() > limit) throw new Error("not within 30 s");
  }
}

const said = (): string => readFileSync(logFile, "utf8");

test("commands run one after the other, when nothing else wants the machine, also after one that failed", async () => {
  const policy = ["sh", "-c", "chrt --pid $$ | grep policy"];
  const ahead = start([["sh", "-c", "echo first; exit 3"], policy, ["sh", "-c", "echo last"]]);
  await until(() => said().includes("last"));
  await ahead.stop();
  expect(said()).toMatch(/^first\n.*SCHED_IDLE\nlast\n$/);
});

test("a stop ends what runs with its children, and nothing begins after it", async () => {
  writeFileSync(join(work, "tree.sh"), "sleep 1000 & echo $! >child; wait\n");
  const ahead = start([
    ["sh", "tree.sh"],
    ["touch", "next"],
  ]);
  await until(() => existsSync(join(work, "child")) && readFileSync(join(work, "child"), "utf8").endsWith("\n"));
  const child = readFileSync(join(work, "child"), "utf8").trim();
  await ahead.stop();
  // Not even as one that ended and that the first process has not fetched yet.
  await until(() => !existsSync(`/proc/${child}`) || / Z /.test(readFileSync(`/proc/${child}/stat`, "utf8")));
  expect(existsSync(join(work, "next"))).toBe(false);
  await ahead.stop();
});

test("a program that is not there is for whoever needs the outcome to hear of", async () => {
  const ahead = start([["no-such-program"], ["sh", "-c", "echo on"]]);
  await until(() => said().includes("on\n"));
  await ahead.stop();
});
