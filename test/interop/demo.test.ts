import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { afterEach, expect, test } from "vitest";
import { labDirectory, namespacesOf, processesInside } from "../../proxy/lab/namespace.ts";

const program = resolve(import.meta.dirname, "../../proxy/cli/main.ts");

interface Demo {
  process: ChildProcess;
  output: () => string;
  ended: Promise<number | null>;
}

function startDemo(...options: string[]): Demo {
  const process = spawn(globalThis.process.execPath, [program, "demo", ...options], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [process.stdout, process.stderr]) stream!.on("data", (text) => (output += text));
  const ended = once(process, "exit").then(([code]) => code as number | null);
  const demo = { process, output: () => output, ended };
  unfinished.add(demo);
  void ended.then(() => unfinished.delete(demo));
  return demo;
}

const isRunning = (pid: number): boolean => existsSync(`/proc/${pid}`);

const unfinished = new Set<Demo>();
afterEach(async () => {
  for (const { process, ended } of unfinished) {
    process.kill("SIGTERM");
    await ended;
  }
});

/** The processes of a lab, once its downloads have begun. */
async function untilDownloading({ process, output, ended }: Demo): Promise<number[]> {
  const begun = expect.poll(output, { timeout: 60_000 }).toMatch(/downloads: \d+ of/);
  const early = ended.then((code) => {
    throw new Error(`the demo ended with ${code ?? process.signalCode}: ${output()}`);
  });
  await Promise.race([begun, early]);
  return namespacesOf(`qp${process.pid}`).flatMap(processesInside);
}

function expectNothingLeft({ process }: Demo, pids: readonly number[]): void {
  expect(namespacesOf(`qp${process.pid}`)).toEqual([]);
  expect(existsSync(labDirectory(`qp${process.pid}`))).toBe(false);
  expect(pids.filter(isRunning)).toEqual([]);
}

test("every download is right, every roaming client is served on, nothing is left", async () => {
  const demo = startDemo("--downloads", "20", "--roaming", "8");
  const pids = await untilDownloading(demo);
  expect(await demo.ended, demo.output()).toBe(0);
  expect(demo.output()).toContain("dropped: nothing, anywhere");
  expect(demo.output()).toContain("ok: 28 downloads");
  expect(pids.length).toBeGreaterThanOrEqual(4);
  expectNothingLeft(demo, pids);
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s in the middle ends it with %i and leaves nothing", async (signal, code) => {
  const demo = startDemo("--downloads", "5000");
  const pids = await untilDownloading(demo);
  demo.process.kill(signal);
  expect(await demo.ended, demo.output()).toBe(code);
  expectNothingLeft(demo, pids);
});

test("a server that dies is a fault: exit code 1, nothing left", async () => {
  const demo = startDemo("--downloads", "500", "--roaming", "0");
  const pids = await untilDownloading(demo);
  const [server] = processesInside(`qp${demo.process.pid}-backend-1`);
  process.kill(server!, "SIGKILL");
  expect(await demo.ended, demo.output()).toBe(1);
  expect(demo.output()).toMatch(/FAULT download plain-\d+/);
  expectNothingLeft(demo, pids);
});

test("what a killed demo left goes when the next one starts", async () => {
  const killed = startDemo("--downloads", "5000");
  const pids = await untilDownloading(killed);
  killed.process.kill("SIGKILL");
  await killed.ended;
  expect(namespacesOf(`qp${killed.process.pid}`)).not.toEqual([]);
  const next = startDemo("--downloads", "2", "--roaming", "0");
  expect(await next.ended, next.output()).toBe(0);
  expect(namespacesOf(`qp${killed.process.pid}`)).toEqual([]);
  expect(existsSync(labDirectory(`qp${killed.process.pid}`))).toBe(false);
  expect(pids.length).toBeGreaterThan(0);
});
