import { readdirSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openFilesNeeded } from "../../proxy/apply/open_files.ts";
import { Network } from "./network.ts";
import { octets, shortHeader } from "./packets.ts";
import type { Place } from "./place.ts";
import { manifest, type ProxyProcess } from "./proxy.ts";

/* The limit on open files: what is needed is said, and flows leave the metrics what they need. */

const FIRST_PORT = 10_000;
const TO_SPARE = 64;

let network: Network;
let place: Place;

beforeAll(async () => {
  network = new Network();
  await network.openEcho();
});
afterAll(() => network.remove());
beforeEach(() => {
  place = network.host.place();
});
afterEach(() => network.host.clear("SIGKILL"));

interface Shape {
  workers: number;
  listeners: number;
  upstreamLevel?: "Auto" | "Sockets";
  upstreamSockets?: number;
  mode?: "Decoupled";
}

function write({ workers, listeners, upstreamLevel = "Sockets", upstreamSockets, mode }: Shape): void {
  const dataPlane = {
    upstreamLevel,
    workers: { min: workers, max: workers },
    ...(upstreamSockets === undefined ? {} : { upstreamSockets }),
    ...(mode === undefined ? {} : { mode }),
  };
  const ports = Array.from({ length: listeners }, (_, index) => ({ port: FIRST_PORT + index }));
  place.write(manifest({ listeners: ports, backends: [network.service()], dataPlane }));
}

/** A listener without an address is an endpoint for either family. */
const neededFor = ({ workers, listeners }: Shape): number =>
  openFilesNeeded({ workers, endpoints: Array.from({ length: 2 * listeners }) });

const limited = (files: number): readonly string[] => ["prlimit", `--nofile=${files}`];

const start = (wrapper: readonly string[] = []): Promise<ProxyProcess> => network.host.start(place, { wrapper });

/** Makes new flows and waits for `count` answers. Resolves with how many came. */
async function answered(count: number, flows: number): Promise<number> {
  const sockets: number[] = [];
  for (let index = 0; index < flows; index++) {
    const socket = await network.openClient();
    await network.send(socket, shortHeader(octets(8, `${index}`)), FIRST_PORT);
    sockets.push(socket);
  }
  const answers = await network.client.take(count);
  await Promise.all(sockets.map((socket) => network.client.close(socket)));
  return answers.length;
}

describe("what a manifest needs", () => {
  test.each<Shape>([
    { workers: 1, listeners: 1, upstreamLevel: "Auto" },
    { workers: 2, listeners: 1, upstreamLevel: "Auto" },
    { workers: 4, listeners: 8, upstreamLevel: "Auto" },
    { workers: 4, listeners: 8, upstreamLevel: "Auto", mode: "Decoupled" },
    { workers: 16, listeners: 32, upstreamLevel: "Auto" },
  ])("is what is open in the end, but for what is left to spare: %j", async (shape) => {
    write(shape);
    const running = await start();
    const open = readdirSync(`/proc/${running.pid}/fd`).length;
    const receivers = shape.mode === "Decoupled" ? 0 : 2 * shape.workers;
    const reckoned = neededFor(shape) - TO_SPARE - receivers;
    // The log, clients of the metrics and libuv's own come and go.
    expect(open).toBeGreaterThanOrEqual(reckoned - 6);
    expect(open).toBeLessThanOrEqual(reckoned + 10);
  });

  test("is said where the limit is lower, in place of a start", async () => {
    const shape = { workers: 4, listeners: 30 };
    write(shape);
    const { code, stdout } = await network.host.launch(place.runArguments(), { wrapper: limited(200) }).ended;
    expect(code).toBe(1);
    const { msg } = JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
    const needed = Number(/the limit on open files is 200, at least (\d+) are needed/.exec(msg)?.[1]);
    expect(Math.abs(needed - neededFor(shape)), msg).toBeLessThan(10);
    expect(msg).toContain("ulimit -n");
  });

  test("is said where a reload needs more, and what is in force stays", async () => {
    write({ workers: 2, listeners: 1 });
    const running = await start(limited(200));
    write({ workers: 2, listeners: 30 });
    running.process.kill("SIGHUP");
    await expect.poll(async () => (await running.counters()).staleReason, { timeout: 30_000 }).toContain("open files");
    expect((await running.get("/readyz")).status).toBe(200);
    expect(await answered(1, 1)).toBe(1);
  });
});

describe("metrics and health", () => {
  test("answer while every flow that there is room for is in use: the number that the log advises does", async () => {
    const shape = { workers: 16, listeners: 16, upstreamSockets: 160 };
    const limit = neededFor(shape) + shape.upstreamSockets;
    write(shape);
    const running = await start(limited(limit));
    expect(running.output).not.toContain("may not answer");
    expect(await answered(shape.upstreamSockets / 2, 400)).toBe(shape.upstreamSockets / 2);
    expect((await running.get("/healthz")).status).toBe(200);
    const metrics = await running.metrics();
    expect(metrics("process_max_fds")).toBe(limit);
    const open = readdirSync(`/proc/${running.pid}/fd`).length;
    expect(Math.abs(metrics("process_open_fds") - open)).toBeLessThan(4);
    expect(limit - open).toBeGreaterThan(TO_SPARE / 2);
    await running.stop();
  });
});
