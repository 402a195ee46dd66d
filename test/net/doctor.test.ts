import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { judge } from "../../host/doctor/judge.ts";
import type { Report } from "../../host/doctor/report.ts";
import { takeBundle } from "../../host/doctor/take.ts";
import { readHost } from "../../host/reading/read.ts";
import { ipInside } from "../../proxy/lab/namespace.ts";
import { inside } from "./inside.ts";
import { Network } from "./network.ts";
import { Scripts } from "./scripts.ts";

/* Faults that are made for real in a namespace are what the doctor names, and nothing else. */

const PORT = 4433;
const PAYLOAD = Buffer.alloc(1_200, 7);
const WINDOW_MS = 2_000;

let network: Network;
let edge: string;
const scripts = new Scripts();

beforeAll(() => {
  network = new Network();
  edge = network.topology.edge.namespace;
});
afterEach(() => scripts.end());
afterAll(() => network?.remove());

const start = (name: string, ...args: readonly (string | number)[]) => scripts.start(edge, name, ...args);

const readSlowly = (pauseMs: number, receiveBuffer: number): Promise<number> =>
  start("read_slowly.py", PORT, pauseMs, receiveBuffer);

const send = (count: number): Promise<void> => network.sendMany(PAYLOAD, count, PORT);

/** The report on the edge while `during` is called before each look. */
async function ask(during: (look: number) => Promise<void>): Promise<Report> {
  let look = 0;
  const wait = async (ms: number): Promise<void> => {
    await during(look++);
    await sleep(ms);
  };
  const taking = { subject: { port: PORT }, windowMs: WINDOW_MS, namespace: edge };
  return judge(await takeBundle(taking, { read: readHost, wait }));
}

/** Machine-wide counters move by what others on this machine do: of those only losses of ours matter. */
const losses = ({ findings }: Report): string[] =>
  findings.filter(({ severity, handOff }) => severity === "loss" && handOff !== "2").map(({ verdict }) => verdict);

describe("the doctor names", () => {
  it("a reader that is slower than what arrives", async () => {
    await readSlowly(20, 16_384);
    await send(60);
    const report = await ask(() => send(60));
    expect(losses(report)).toEqual(["consumption-mismatch"]);
    expect(report).toMatchObject({ exitCode: 1, firstLosing: "5" });
    expect(report.findings.find(({ handOff }) => handOff === "5")!.title).toContain(`UDP port ${PORT} (python3`);
  });

  it("a burst before a reader that keeps up", async () => {
    await readSlowly(2, 16_384);
    const report = await ask(async (look) => {
      if (look === 0) await send(60);
    });
    expect(losses(report)).toEqual(["burst"]);
  });

  it("a socket that nobody reads", async () => {
    await start("idle_sockets.py", "0.0.0.0", PORT, 1, 16_384);
    await send(60);
    const report = await ask(() => send(10));
    expect(losses(report)).toEqual(["unread-socket"]);
  });

  it("a port without a socket", async () => {
    const report = await ask(() => send(10));
    expect(losses(report)).toEqual(["no-listener"]);
    expect(report.findings.find(({ verdict }) => verdict === "no-listener")!.datagrams).toBe(100);
  });

  it("the reverse path filter", async () => {
    await readSlowly(0, 0);
    const client = network.topology.client.own.v4;
    const filter = (mode: 0 | 1) =>
      inside(edge, ["/bin/sh", "-c", `echo ${mode} > /proc/sys/net/ipv4/conf/all/rp_filter`]);
    // The way back to the client is another device's now.
    ipInside(edge, [`route add ${client}/32 dev lo`]);
    filter(1);
    try {
      const report = await ask(() => send(10));
      expect(losses(report)).toEqual(["reverse-path-filter"]);
      expect(report.firstLosing).toBe("3");
    } finally {
      filter(0);
      ipInside(edge, [`route del ${client}/32 dev lo`]);
    }
  });
});

it("a path that loses nothing is called clean", async () => {
  await readSlowly(0, 0);
  const report = await ask(() => send(20));
  expect(losses(report)).toEqual([]);
  expect(report.rows.filter(({ state }) => state === "restarted")).toEqual([]);
});
