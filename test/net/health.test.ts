import { mkdirSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Child } from "../../proxy/lab/child.ts";
import { type Certificate, type Content, createCertificate, createContent } from "../../proxy/lab/content.ts";
import { ipInside } from "../../proxy/lab/namespace.ts";
import { type DownloadResult, download, ngtcp2 } from "../../proxy/lab/peers.ts";
import type { Topology } from "../../proxy/lab/topology.ts";
import type { CountersReport } from "../../proxy/metrics/report.ts";
import { Network } from "./network.ts";
import { longHeader, octets, shortHeader } from "./packets.ts";
import { Peer } from "./peer.ts";
import { BACKEND_PORT, LISTEN_PORT, type ManifestOptions, manifest, type ProxyProcess } from "./proxy.ts";

/* Servers that die, refuse, say nothing or speak no QUIC, and what the real proxy makes of them. */

const QUICK = { mode: "Enabled", interval: "300ms", timeout: "200ms" };
const OFF = { mode: "Disabled" };
const FIND_LIMIT_MS = 30_000;

let network: Network;
let topology: Topology;
let certificate: Certificate;
let content: Content;
let client: Peer;
let proxy: ProxyProcess;
const servers: (Child | undefined)[] = [];
const sockets: number[] = [];
let downloads = 0;

beforeAll(() => {
  network = new Network({ backends: 3 });
  ({ topology, client } = network);
  mkdirSync(topology.directory, { recursive: true });
  certificate = createCertificate(topology.directory);
  const names = topology.backends.map(({ name }) => name);
  content = createContent(topology.directory, names, { small: 20_000 })[0]!;
});
afterAll(() => network.remove());
afterEach(async () => {
  await network.host.clear();
  for (const index of servers.keys()) await kill(index);
  for (const socket of sockets.splice(0)) await network.backend.close(socket);
  await network.forget();
});

async function serve(index: number): Promise<void> {
  servers[index] = await ngtcp2.startServer({
    place: topology.backends[index]!,
    directory: topology.directory,
    certificate,
  });
}

async function kill(index: number): Promise<void> {
  await servers[index]?.stop("SIGKILL");
  servers[index] = undefined;
}

/** Two of the backends by IPv4, the third by IPv6. */
const quicBackends = (): ManifestOptions["backends"] =>
  topology.backends.map(({ v4, v6 }, index) => ({ address: index === 2 ? v6 : v4, port: BACKEND_PORT }));

function nameOf({ address, port }: ManifestOptions["backends"][number]): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

async function start(backends: ManifestOptions["backends"], health: object): Promise<ProxyProcess> {
  const document = JSON.parse(manifest({ backends }));
  document.spec.backends.health = health;
  proxy = await network.host.start(network.host.place(JSON.stringify(document)));
  return proxy;
}

async function becomes(isSo: (report: CountersReport) => boolean, meanwhile = async () => {}): Promise<CountersReport> {
  const deadline = Date.now() + FIND_LIMIT_MS;
  for (;;) {
    const report = await proxy.counters();
    if (isSo(report)) return report;
    if (Date.now() > deadline) throw new Error(`it stays so: ${JSON.stringify(report.health)}\n${proxy.output}`);
    await meanwhile();
    await new Promise((wake) => setTimeout(wake, 50));
  }
}

const stateOf = (report: CountersReport, name: string) => report.health?.backends[name];
const isUnhealthy = (name: string) => (report: CountersReport) => stateOf(report, name)?.state === "Unhealthy";
const answersBegan = (report: CountersReport): boolean => (report.health?.probes.answered ?? 0) >= 6;

function fetchOnce(): Promise<DownloadResult> {
  downloads++;
  const target = { address: topology.edge.towardClients.v4, port: LISTEN_PORT };
  const { directory } = topology;
  const { namespace } = topology.client;
  return download({ stack: ngtcp2, namespace, directory, name: `d${downloads}`, target, content });
}

async function fetchSeveral(count: number): Promise<DownloadResult[]> {
  const results: DownloadResult[] = [];
  for (let index = 0; index < count; index++) results.push(await fetchOnce());
  return results;
}

const row = (report: CountersReport, name: string) =>
  report.backends.find(({ address, port }) => nameOf({ address, port }) === name)!;

test("a QUIC server that dies gets no new connection, the others serve on, and it is back after its restart", async () => {
  for (const index of [0, 1, 2]) await serve(index);
  const backends = quicBackends();
  const dead = nameOf(backends[0]!);
  const running = await start(backends, { active: QUICK });
  const before = await becomes(answersBegan);
  expect(before.health).toMatchObject({ active: "Running", healthy: 3, unhealthy: 0, panic: false });
  expect(Object.keys(before.health!.backends).sort()).toEqual(backends.map(nameOf).sort());
  expect((await fetchSeveral(6)).map(({ fault }) => fault)).toEqual(Array(6).fill(undefined));

  await kill(0);
  const found = await becomes(isUnhealthy(dead));
  expect(stateOf(found, dead)).toMatchObject({ reason: "ProbesUnanswered" });
  const drained = await becomes(({ generation }) => generation === 2);
  expect(row(drained, dead).weight).toBe(0);
  const results = await fetchSeveral(12);
  expect(results.filter(({ fault, backend }) => fault !== undefined || backend === "backend-1")).toEqual([]);
  const after = await running.counters();
  expect(row(after, dead).flowsCreated).toBe(row(drained, dead).flowsCreated);
  expect((await running.get("/readyz")).status).toBe(200);
  const sample = await running.metrics();
  expect(backends.map((backend) => sample(`quicproxy_backend_health{backend="${nameOf(backend)}"}`))).toEqual([
    0, 1, 1,
  ]);
  expect(sample("quicproxy_health_panic")).toBe(0);
  // More than the three asked for where the probes of a busy machine end together.
  expect(running.output).toMatch(/backend \S+ is unhealthy: \d+ probes in a row without answer; 2 of 3 are healthy/);

  await serve(0);
  const back = await becomes((report) => stateOf(report, dead)?.state === "Healthy");
  expect(back.health).toMatchObject({ healthy: 3, changes: { healthy: 1, unhealthy: 1 } });
  expect(row(await becomes(({ generation }) => generation === 3), dead).weight).toBe(1);
  let served = false;
  for (let attempt = 0; attempt < 60 && !served; attempt++) {
    const { fault, backend } = await fetchOnce();
    expect(fault).toBeUndefined();
    served = backend === "backend-1";
  }
  expect(served).toBe(true);
});

test("all servers dead: panic, all are treated as healthy, and it ends when enough are back", async () => {
  for (const index of [0, 1, 2]) await serve(index);
  const running = await start(quicBackends(), { active: QUICK });
  await becomes(answersBegan);
  for (const index of [0, 1, 2]) await kill(index);
  const report = await becomes(({ health }) => health?.unhealthy === 3);
  expect(report.health).toMatchObject({ panic: true, healthy: 0 });
  expect((await becomes(({ backends }) => backends.every(({ weight }) => weight === 1))).ready).toBe(true);
  expect((await running.get("/readyz")).status).toBe(200);
  expect((await running.metrics())("quicproxy_health_panic")).toBe(1);
  expect(running.output).toMatch(/panic: [01] of 3 backends are healthy, .*: all are treated as healthy/);

  await serve(0);
  await becomes(({ health }) => health?.healthy === 1);
  expect((await running.counters()).health?.panic).toBe(true);
  await serve(1);
  const over = await becomes(({ health }) => health?.panic === false);
  expect(over.health).toMatchObject({ healthy: 2, unhealthy: 1 });
  expect(running.output).toContain("panic ended: 2 of 3 backends are healthy");
  const weights = (now: CountersReport) => now.backends.map(({ weight }) => weight).sort();
  expect(weights(await becomes((now) => weights(now)[0] === 0))).toEqual([0, 1, 1]);
});

interface Asking {
  /** Datagrams from each socket. Default 1. */
  times?: number;
  /** Answers to wait for, each time; fewer are an answer, too. Default: those that come at once. */
  answers?: number;
}

/** Sends from so many new sockets; the sockets whose datagram came back. */
async function askFromNewSockets(
  count: number,
  { times = 1, answers = 0 }: Asking = {},
): Promise<{ all: number[]; echoed: Set<number> }> {
  const all: number[] = [];
  for (let index = 0; index < count; index++) {
    all.push(await network.openClient());
  }
  const echoed = new Set<number>();
  for (let time = 0; time < times; time++) for (const id of await ask(all, answers)) echoed.add(id);
  return { all, echoed };
}

const payload = shortHeader(octets(8, "health"), { payloadBytes: 60 });

async function ask(sockets: readonly number[], answers: number): Promise<Set<number>> {
  for (const socket of sockets) await network.send(socket, payload);
  const echoed = new Set<number>();
  const deadline = Date.now() + FIND_LIMIT_MS;
  do {
    await new Promise((wake) => setTimeout(wake, 300));
    const came = (await client.take(0)).filter((answer) => answer.payload.equals(payload));
    for (const { socket } of came) if (sockets.includes(socket)) echoed.add(socket);
  } while (echoed.size < answers && Date.now() < deadline);
  return echoed;
}

const closeAll = (sockets: readonly number[]): Promise<unknown> =>
  Promise.all(sockets.map((socket) => client.close(socket)));

/** Enough new flows that one on trial gets some before long. */
async function askSome(): Promise<void> {
  await closeAll((await askFromNewSockets(20)).all);
}

/** A backend that takes everything and answers nothing, on the address of the first one. */
async function openMute(port: number): Promise<number> {
  const id = await network.openService({ port });
  sockets.push(id);
  return id;
}

async function openEcho(port: number): Promise<void> {
  await network.backend.echo(await openMute(port));
}

const local = (port: number): ManifestOptions["backends"][number] => network.service({ port });

test("a backend that speaks no QUIC among servers that do: no new flow, but its flows go on", async () => {
  await serve(1);
  await serve(2);
  await openEcho(5001);
  const backends = [local(5001), ...quicBackends().slice(1)];
  const running = await start(backends, { active: { ...QUICK, interval: "1s" }, passive: OFF });
  const { all, echoed } = await askFromNewSockets(40, { answers: 1 });
  expect(echoed.size).toBeGreaterThan(0);
  const found = await becomes(isUnhealthy(nameOf(backends[0]!)));
  expect(found.health).toMatchObject({ healthy: 2, panic: false });
  await becomes(({ generation }) => generation === 2);
  expect(await ask([...echoed], echoed.size)).toEqual(echoed);
  const fresh = await askFromNewSockets(40);
  expect([...fresh.echoed]).toEqual([]);
  expect(row(await running.counters(), nameOf(backends[0]!)).dropped).toBe(0);
  await closeAll([...all, ...fresh.all]);
});

test("nobody speaks QUIC: active checks are suspended, nobody is called dead, and everybody serves", async () => {
  await openEcho(5001);
  await openEcho(5002);
  const backends = [local(5001), local(5002)];
  const running = await start(backends, { active: QUICK });
  const report = await becomes(({ health }) => health?.active === "Suspended");
  expect(report).toMatchObject({ generation: 1, health: { healthy: 2, unhealthy: 0, panic: false } });
  expect(running.output).toContain("is it QUIC?");
  expect((await running.metrics())("quicproxy_health_suspended")).toBe(1);
  const probes = await network.backend.take(0);
  expect(probes.length).toBeGreaterThanOrEqual(6);
  for (const { payload: probe } of probes) {
    expect([probe.length, probe[0]! & 0x80, probe.readUInt32BE(1) & 0x0f0f0f0f]).toEqual([1200, 0x80, 0x0a0a0a0a]);
  }
  expect(new Set(probes.map(({ port }) => port)).size).toBe(1);
  const { all, echoed } = await askFromNewSockets(30, { answers: 30 });
  expect(echoed.size).toBe(30);
  expect((await running.counters()).totals.receive_datagrams).toBe(30);
  await closeAll(all);
});

test("by default: a backend that refuses is found by its ICMP alone, without a datagram of the proxy's own", async () => {
  await openEcho(5001);
  const refusing = nameOf(local(5002));
  const running = await start([local(5001), local(5002)], { backoff: "10s" });
  const { all } = await askFromNewSockets(30, { times: 6 });
  const found = await becomes(isUnhealthy(refusing));
  expect(found.health).toMatchObject({ active: "Disabled", passive: "Running", healthy: 1, panic: false });
  expect(stateOf(found, refusing)?.reason).toBe("Refused");
  expect(found.health?.probes).toEqual({ answered: 0, unanswered: 0, unsent: 0 });
  await becomes(({ generation }) => generation === 2);
  const fresh = await askFromNewSockets(20, { answers: 20 });
  expect(fresh.echoed.size).toBe(20);

  await openEcho(5002);
  await becomes((report) => stateOf(report, refusing)?.state === "Healthy", askSome);
  await becomes(({ generation }) => generation === 4);
  const later = await askFromNewSockets(40, { answers: 40 });
  expect(later.echoed.size).toBe(40);
  expect(row(await running.counters(), refusing).returned).toBeGreaterThan(0);
  await closeAll([...all, ...fresh.all, ...later.all]);
});

test("by default: a backend that takes everything and answers nothing is found by its silence", async () => {
  await openEcho(5001);
  await openMute(5002);
  await start([local(5001), local(5002)], { passive: { window: "4s" } });
  const { all, echoed } = await askFromNewSockets(60, { times: 4, answers: 1 });
  expect(echoed.size).toBeGreaterThan(0);
  const found = await becomes(isUnhealthy(nameOf(local(5002))));
  expect(stateOf(found, nameOf(local(5002)))?.reason).toBe("Silent");
  expect(stateOf(found, nameOf(local(5001)))?.state).toBe("Healthy");
  await becomes(({ generation }) => generation === 2);
  const fresh = await askFromNewSockets(20, { answers: 20 });
  expect(fresh.echoed.size).toBe(20);
  await closeAll([...all, ...fresh.all]);
});

/** `count` new flows, each of one datagram; nothing is expected to come back. */
async function sendFromNewSockets(datagram: Uint8Array, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const id = await network.openClient();
    await network.send(id, datagram);
    await client.close(id);
  }
}

const totalOf = (report: CountersReport, cell: "initialFlows" | "initialFlowsAnswered"): number =>
  report.backends.reduce((sum, backend) => sum + backend[cell], 0);

test("junk and forged beginnings take no healthy server out of a quiet service, and a dead one is still found", async () => {
  for (const index of [0, 1, 2]) await serve(index);
  const backends = quicBackends();
  const running = await start(backends, { passive: { window: "6s" } });
  // Somebody is served, so that the proxy has seen QUIC answered.
  expect((await fetchSeveral(6)).map(({ fault }) => fault)).toEqual(Array(6).fill(undefined));
  const quiet = await running.counters();
  expect(totalOf(quiet, "initialFlows")).toBeGreaterThanOrEqual(6);
  expect(totalOf(quiet, "initialFlowsAnswered")).toBe(totalOf(quiet, "initialFlows"));

  const junk = shortHeader(octets(8, "junk"), { payloadBytes: 32 });
  // No server can decrypt it: it is dropped without an answer (RFC 9001 section 5.2).
  const forged = (seed: string) => longHeader({ dcid: octets(8, seed), scid: octets(8, "nobody"), payloadBytes: 1200 });
  const endAt = Date.now() + 10_000;
  let sent = 0;
  while (Date.now() < endAt) {
    await sendFromNewSockets(junk, 30);
    // One ID that leads them all to one backend, and others that lead anywhere.
    await sendFromNewSockets(forged("one"), 10);
    for (let index = 0; index < 10; index++) await sendFromNewSockets(forged(`many ${sent} ${index}`), 1);
    sent += 50;
    await new Promise((wake) => setTimeout(wake, 500));
  }
  const after = await running.counters();
  expect(after.totals.forward_sent - quiet.totals.forward_sent).toBeGreaterThanOrEqual(sent);
  expect(Object.values(after.health!.backends).map(({ evidence }) => evidence)).toEqual(["", "", ""]);
  expect(after.health).toMatchObject({ healthy: 3, unhealthy: 0, changes: { healthy: 0, unhealthy: 0 } });

  // Dead without a word: no ICMP error tells of it.
  await kill(0);
  await openMute(BACKEND_PORT);
  const dead = nameOf(backends[0]!);
  const asking: Promise<unknown>[] = [];
  const deadline = Date.now() + FIND_LIMIT_MS;
  // Who meets the dead one waits for long; nobody waits for him.
  while (!isUnhealthy(dead)(await running.counters()) && Date.now() < deadline) {
    for (let index = 0; index < 8; index++) asking.push(fetchOnce());
    await new Promise((wake) => setTimeout(wake, 1000));
  }
  const found = await becomes(isUnhealthy(dead));
  expect(stateOf(found, dead)?.reason).toBe("Silent");
  expect(found.health).toMatchObject({ healthy: 2, unhealthy: 1 });
  await Promise.allSettled(asking);
}, 180_000);

test("a backend that this host has no way to gets no new flow, and is tried again by one look's worth of them", async () => {
  await openEcho(5001);
  const { v4, namespace } = topology.backends[1]!;
  const other = new Peer(namespace);
  const { id } = await other.open({ family: 4, address: v4, port: 5002 });
  await other.echo(id);
  try {
    const unreachable = { address: v4, port: 5002 };
    const running = await start([local(5001), unreachable], { backoff: "2s" });
    const first = await askFromNewSockets(20, { answers: 20 });
    expect(first.echoed.size).toBe(20);
    ipInside(topology.edge.namespace, [`route add unreachable ${v4}/32`]);
    try {
      const asked = await askFromNewSockets(30, { answers: 1 });
      // The change of routes may be noticed before any of the new ones: then none of them goes there.
      await ask(first.all, 1);
      const found = await becomes(isUnhealthy(nameOf(unreachable)));
      expect(stateOf(found, nameOf(unreachable))?.reason).toBe("Unsendable");
      expect(row(found, nameOf(unreachable)).unsendable).toBeGreaterThanOrEqual(3);
      expect((await running.metrics())(`quicproxy_backend_unsendable_total{backend="${nameOf(unreachable)}"}`)).toBe(
        row(await running.counters(), nameOf(unreachable)).unsendable,
      );
      await becomes(({ backends }) => backends.some(({ weight }) => weight === 0));
      const fresh = await askFromNewSockets(20, { answers: 20 });
      expect(fresh.echoed.size).toBe(20);
      await closeAll([...first.all, ...asked.all, ...fresh.all]);
    } finally {
      ipInside(topology.edge.namespace, [`route del unreachable ${v4}/32`]);
    }
    await becomes((report) => stateOf(report, nameOf(unreachable))?.state === "Healthy", askSome);
    await becomes(({ backends }) => backends.every(({ weight }) => weight === 1));
    const later = await askFromNewSockets(30, { answers: 30 });
    expect(later.echoed.size).toBe(30);
    await closeAll(later.all);
  } finally {
    await other.stop();
  }
}, 120_000);
