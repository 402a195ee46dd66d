import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { CountersReport } from "../../proxy/metrics/report.ts";
import { Network } from "./network.ts";
import { octets, shortHeader } from "./packets.ts";
import type { Peer } from "./peer.ts";
import { manifest, type ProxyProcess } from "./proxy.ts";

/* A backend of which the traffic said that it is down is tried again, and what that costs. */

const LIMIT_MS = 30_000;
const ALIVE_PORT = 5001;
const TRIED_PORT = 5002;
/** Between an answer that comes at once and one that never comes. */
const ANSWER_MS = 300;

let network: Network;
let client: Peer;
let proxy: ProxyProcess;
const sockets: number[] = [];

beforeAll(() => {
  network = new Network({ backends: 1 });
  ({ client } = network);
});
afterAll(() => network.remove());
afterEach(async () => {
  await network.host.clear();
  for (const socket of sockets.splice(0)) await network.backend.close(socket);
  await network.forget();
});

async function open(port: number): Promise<number> {
  const id = await network.openService({ port });
  sockets.push(id);
  return id;
}

async function start(health: object): Promise<void> {
  const backends = [ALIVE_PORT, TRIED_PORT].map((port) => network.service({ port }));
  const document = JSON.parse(manifest({ backends }));
  document.spec.backends.health = health;
  proxy = await network.host.start(network.host.place(JSON.stringify(document)));
}

async function becomes(isSo: (report: CountersReport) => boolean, meanwhile = async () => {}): Promise<CountersReport> {
  const deadline = Date.now() + LIMIT_MS;
  for (;;) {
    const report = await proxy.counters();
    if (isSo(report)) return report;
    if (Date.now() > deadline) throw new Error(`it stays so: ${JSON.stringify(report.health)}\n${proxy.output}`);
    await meanwhile();
    await new Promise((wake) => setTimeout(wake, 50));
  }
}

const rowOf = ({ backends }: CountersReport) => backends.find(({ port }) => port === TRIED_PORT)!;

function isA(state: "Healthy" | "OnTrial" | "Unhealthy"): (report: CountersReport) => boolean {
  const weights = { Healthy: 1, OnTrial: 1 / 16, Unhealthy: 0 };
  return (report) => {
    const { address, port, weight } = rowOf(report);
    return report.health?.backends[`${address}:${port}`]?.state === state && weight === weights[state];
  };
}

/** New flows of one datagram each; how many were answered. */
async function ask(count: number, times = 1): Promise<number> {
  const payload = shortHeader(octets(8, "trial"), { payloadBytes: 60 });
  const all = await Promise.all(Array.from({ length: count }, () => network.openClient()));
  const answered = new Set<number>();
  for (let time = 0; time < times; time++) {
    for (const socket of all) await network.send(socket, payload);
    await new Promise((wake) => setTimeout(wake, ANSWER_MS));
    for (const { socket } of await client.take(0)) answered.add(socket);
  }
  await Promise.all(all.map((socket) => client.close(socket)));
  return answered.size;
}

test("K15: a backend that is still dead when it is tried again costs the trial's share of new flows, not its own", async () => {
  await network.backend.echo(await open(ALIVE_PORT));
  await start({ backoff: "2s" });
  await becomes(isA("Unhealthy"), async () => void (await ask(30, 3)));
  const tried = await becomes(isA("OnTrial"));
  expect(tried.health).toMatchObject({ healthy: 1, onTrial: 1, unhealthy: 0, panic: false });
  // One in 17; more than 14 of 64 is as likely as a healthy proxy that is struck by lightning. It was every second one.
  expect(64 - (await ask(64))).toBeLessThanOrEqual(14);
  await becomes((report) => report.health!.unhealthy === 1 || isA("OnTrial")(report));
  const again = await becomes(isA("Unhealthy"), async () => void (await ask(30)));
  expect(again.health?.changes).toMatchObject({ healthy: 0, onTrial: 1, unhealthy: 2 });
});

test("K15: one that is back has its whole share with its first answer", async () => {
  await network.backend.echo(await open(ALIVE_PORT));
  await start({ backoff: "2s" });
  await becomes(isA("Unhealthy"), async () => void (await ask(30, 3)));
  await network.backend.echo(await open(TRIED_PORT));
  await becomes(isA("OnTrial"));
  const trial = await proxy.metrics();
  const { address } = network.service({ port: TRIED_PORT });
  expect(trial(`quicproxy_backend_on_trial{backend="${address}:${TRIED_PORT}"}`)).toBe(1);
  let lost = 0;
  const back = await becomes(isA("Healthy"), async () => {
    lost += 20 - (await ask(20));
  });
  expect(lost).toBe(0);
  expect(back.health?.changes).toMatchObject({ healthy: 1, onTrial: 1, unhealthy: 1 });
  const before = rowOf(back).flowsCreated;
  expect(await ask(64)).toBe(64);
  // Half of them, and not one in 17.
  expect(rowOf(await proxy.counters()).flowsCreated - before).toBeGreaterThan(14);
  expect(proxy.output).toContain("its trial is over");
});
