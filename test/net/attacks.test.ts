import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Answered, AttackScene, beginning, flood, goingOn } from "./attack_scene.ts";
import { settle } from "./counter_rows.ts";
import { longHeader } from "./packets.ts";

/*
 * Attacks and accidents, each named after what is done: what one client, or one who writes other people's addresses, can
 * do to the connections of others. test/interop/attacks.test.ts has those in which real stacks matter.
 */

let scene: AttackScene;
beforeAll(() => {
  scene = new AttackScene();
});
afterEach(() => scene.reset());
afterAll(() => scene?.remove());

const workersOf = (count: number) => ({ workers: { min: count, max: count } });
const both = [
  ["one worker", 1],
  ["four workers", 4],
] as const;

interface Connection extends Answered {
  socket: number;
  port: number;
}

/** A connection of which the server's ID is known and used. */
async function connect(by = scene.network.client): Promise<Connection> {
  const { id: socket, port } = await scene.open(undefined, by);
  const answered = await scene.ask(socket, beginning(), by);
  const again = await scene.ask(socket, goingOn(answered.id), by);
  expect(again.server).toBe(answered.server);
  return { ...answered, socket, port };
}

describe.each(both)("%s", (_, workers) => {
  test("forged_datagram: the victim's address before the attacker's own ID takes nothing from the victim", async () => {
    await scene.serve("8");
    await scene.start({ dataPlane: workersOf(workers) });
    const victims = [];
    for (let count = 0; count < 6; count++) victims.push(await connect());
    for (const victim of victims) {
      let attacker = await connect();
      while (attacker.server === victim.server) attacker = await connect();
      // What the attacker's server answers goes to the victim.
      expect((await scene.ask(victim.socket, goingOn(attacker.id))).server).toBe(attacker.server);
      expect((await scene.ask(victim.socket, goingOn(victim.id))).server).toBe(victim.server);
      for (let fresh = 0; fresh < 4; fresh++) {
        expect((await scene.ask(victim.socket, goingOn(randomBytes(8)))).server).toBe(victim.server);
      }
    }
  });

  test("many_ids: a client that has used 30 IDs in turn keeps its server when its address changes", async () => {
    await scene.serve("8");
    await scene.start({ dataPlane: workersOf(workers) });
    const { own, alternate } = scene.topology.client;
    for (let client = 0; client < 24; client++) {
      const { socket, server } = await connect();
      let id = randomBytes(8);
      for (let used = 0; used < 30; used++) {
        id = randomBytes(8);
        for (let packet = 0; packet < 2; packet++) expect((await scene.ask(socket, goingOn(id))).server).toBe(server);
      }
      const moved = await scene.open(client % 2 === 0 ? own.v4 : alternate.v4);
      expect((await scene.ask(moved.id, goingOn(id))).server).toBe(server);
    }
  });

  test("id_lengths: servers with IDs of five lengths keep all clients whose ports change", async () => {
    await scene.serve("mirror");
    await scene.start({ dataPlane: workersOf(workers) });
    for (const length of [4, 8, 16, 18, 20]) {
      for (let client = 0; client < 20; client++) {
        const { id: socket } = await scene.open();
        const { id, server } = await scene.ask(socket, beginning(randomBytes(length)));
        expect(id).toHaveLength(length);
        const moved = await scene.open();
        expect((await scene.ask(moved.id, goingOn(id))).server, `${length} octets`).toBe(server);
      }
    }
  });

  test("lookalikes: RTP with some STUN beside it is answered by the first backend, every time", async () => {
    await scene.serve("rtp");
    await scene.start({ dataPlane: workersOf(workers) });
    const callers = [];
    for (let count = 0; count < 20; count++) {
      callers.push({ ...(await scene.open()), stream: randomBytes(4), time: randomBytes(4), server: "" });
    }
    for (let round = 0; round < 60; round++) {
      for (const caller of callers) {
        const rtp = Buffer.concat([Buffer.of(0x80, 111, 0, round), caller.time, caller.stream, randomBytes(150)]);
        rtp.writeUInt32BE((caller.time.readUInt32BE() + round * 960) >>> 0, 4);
        const stun = Buffer.concat([Buffer.from("000100082112a442", "hex"), randomBytes(20)]);
        const { server } = await scene.ask(caller.id, round % 10 === 0 ? stun : rtp);
        caller.server ||= server;
        expect(server).toBe(caller.server);
      }
    }
  });
});

test("blind_datagrams: one from a spoofed address brings it three times as much and 3,600 octets at most", async () => {
  await scene.serve("8");
  await scene.start();
  const victim = await connect();
  const spoofed = await scene.open(scene.topology.client.alternate.v4);
  const before = await scene.proxy.counters();
  const blind = Buffer.concat([goingOn(victim.id), Buffer.from("flood")]);
  await scene.send(spoofed.id, blind);
  const ended = async (): Promise<number> => {
    const { totals } = await scene.proxy.counters();
    return totals.return_received + totals.return_kernel_drops - before.totals.return_received;
  };
  await expect.poll(ended, { timeout: 30_000 }).toBe(200);
  const { totals } = await scene.proxy.counters();
  const arrived = (await scene.network.client.take(totals.return_sent - before.totals.return_sent)).filter(
    ({ socket }) => socket === spoofed.id,
  );
  const octets = arrived.reduce((sum, { payload }) => sum + payload.length, 0);
  expect(octets).toBeGreaterThan(0);
  expect(octets).toBeLessThanOrEqual(3 * blind.length + 3_600);
  expect(totals.return_dropped_unconfirmed).toBeGreaterThan(0);
  expect((await scene.ask(victim.socket, goingOn(victim.id))).server).toBe(victim.server);
});

/** One client: connections with IDs of each length, and from paths of one worker more IDs than a server ever gave it. */
async function useIdsOfAllLengths(): Promise<void> {
  for (let length = 1; length <= 20; length++) {
    const { id: socket } = await scene.open();
    await scene.ask(socket, goingOn((await scene.ask(socket, beginning(randomBytes(length)))).id));
  }
  // A connection that moves stays with its worker, so all its paths are that one's.
  const { id } = await connect();
  for (let path = 0; path < 40; path++) {
    const { id: socket } = await scene.open();
    for (let round = 0; round < 4; round++) await scene.ask(socket, goingOn(id));
    for (let datagram = 0; datagram < 16; datagram++) {
      const length = datagram < 8 ? 1 : datagram + 4;
      const dcid = length === 1 ? Buffer.of((path * 8 + datagram) % 256) : randomBytes(length);
      await scene.ask(socket, longHeader({ dcid, scid: randomBytes(8) }));
      await scene.ask(socket, goingOn(dcid));
    }
  }
}

test("one_worker_for_others: IDs of all lengths from one client leave other clients spread over all workers", async () => {
  await scene.serve("mirror");
  const proxy = await scene.start({ dataPlane: workersOf(4) });
  expect((await proxy.counters()).status.steering).toBe("ConnectionId");
  const received = async (): Promise<number[]> =>
    (await proxy.counters()).workers.map(({ counters }) => counters.receive_datagrams);
  const sum = (counts: number[]): number => counts.reduce((total, count) => total + count, 0);

  /** Strangers that begin and strangers that go on, each from a path that nobody has seen. */
  async function spreadOfOthers(): Promise<number[]> {
    const before = await received();
    for (let other = 0; other < 200; other++) {
      const { id } = await scene.open();
      await scene.send(id, beginning());
      await scene.network.client.close(id);
    }
    for (let other = 0; other < 200; other++) {
      const { id } = await scene.open();
      await scene.send(id, goingOn(randomBytes(8)));
      await scene.network.client.close(id);
    }
    await expect.poll(async () => sum(await received()) - sum(before), { timeout: 30_000 }).toBe(400);
    return (await received()).map((count, worker) => count - before[worker]!);
  }

  const without = await spreadOfOthers();
  await useIdsOfAllLengths();
  await scene.network.client.take(0);
  const during = await spreadOfOthers();
  // Of 400 by an even hash a worker gets 100, and fewer than 45 or more than 160 about once in ten million runs.
  for (const counts of [without, during]) {
    expect(Math.min(...counts), `${counts}`).toBeGreaterThanOrEqual(45);
    expect(Math.max(...counts), `${counts}`).toBeLessThanOrEqual(160);
  }
});

test.each([
  ["all of them may begin flows", { flowMemory: "1Mi" }, Number.POSITIVE_INFINITY],
  ["most are beyond the budget of those that move", { newFlowsPerSecond: 500 }, 500],
] as const)("stolen_id: one valid ID from 20,000 spoofed paths, %s, harms nobody", async (_, dataPlane, perSecond) => {
  await scene.serve("8");
  const proxy = await scene.start({ dataPlane: { ...workersOf(2), ...dataPlane } });
  // The server of the victim is busy enough with the answers.
  const victim = await connect();
  const honest: Connection[] = [];
  while (honest.length < 40) {
    const other = await connect();
    if (other.server !== victim.server) honest.push(other);
  }
  const before = (await proxy.counters()).totals;
  const started = performance.now();
  const ids = [victim.id.toString("hex")];
  const sent = flood(scene.topology, { kind: "id", ids, count: 40_000, ratePps: 8_000, repeat: 2 });
  let served = 0;
  for (const { id, server, socket } of honest) {
    expect((await scene.ask(socket, goingOn(id))).server).toBe(server);
    const asked = async (): Promise<string> => (await scene.ask((await scene.open()).id, goingOn(id))).server;
    if (perSecond === Number.POSITIVE_INFINITY && (await asked()) === server) served++;
  }
  await sent;
  const seconds = (performance.now() - started) / 1000;
  if (perSecond === Number.POSITIVE_INFINITY) expect(served).toBe(honest.length);
  const { totals } = await settle(
    proxy,
    ({ totals: now }) => now.receive_datagrams - before.receive_datagrams > 40_000,
  );
  const readdressed = totals.flow_readdressed - before.flow_readdressed;
  expect(readdressed).toBeGreaterThan(100);
  // Per worker, a quarter of a second's worth at once and a second more for what is under way.
  expect(readdressed).toBeLessThanOrEqual(Math.min(20_000 + honest.length, 2 * perSecond * (seconds + 1.25)));
  expect(totals.steer_path - before.steer_path).toBe(0);
  expect((await scene.ask(victim.socket, goingOn(victim.id))).server).toBe(victim.server);
});

test("random_short_headers: on one live 4-tuple each costs at most twice what a known datagram costs", async () => {
  await scene.serve("mirror");
  const proxy = await scene.start({ dataPlane: workersOf(64) });
  // As many lengths as there are known: each is one to try.
  for (const length of [4, 5, 6, 7, 8, 12, 16, 20]) {
    const { id: socket } = await scene.open();
    await scene.ask(socket, goingOn((await scene.ask(socket, beginning(randomBytes(length)))).id));
  }
  const attacker = await connect(scene.attacker);
  const known = await connect(scene.attacker);
  // The servers of the others drop some of what they get.
  let honest = await connect();
  while ([attacker.server, known.server].includes(honest.server)) honest = await connect();
  const source = scene.topology.client.own.v4;
  const count = 10_000;
  const cost = { short: 0, id: 0 };
  // What the kernel's receive path costs is the senders' to pay; the threads' own time is what is compared.
  const floods = { short: { port: attacker.port }, id: { port: known.port, ids: [known.id.toString("hex")] } };
  let asked = 0;
  let served = 0;
  for (let round = 0; round < 4; round++) {
    for (const kind of ["short", "id"] as const) {
      const { port, ...plan } = floods[kind];
      const before = { cpuNs: workerCpuNs(proxy.pid), ...(await proxy.counters()).totals };
      const sent = flood(scene.topology, { kind, ...plan, count, ratePps: 50_000, source: { address: source, port } });
      for (let turn = 0; turn < 25; turn++) {
        asked++;
        const answered = await scene.ask(honest.socket, goingOn(honest.id)).catch(() => undefined);
        if (answered?.server === honest.server) served++;
      }
      await sent;
      const after = await settle(proxy, ({ totals }) => totals.receive_datagrams - before.receive_datagrams >= count);
      const received = after.totals.receive_datagrams - before.receive_datagrams;
      cost[kind] += (workerCpuNs(proxy.pid) - before.cpuNs) / received;
    }
  }
  expect(served).toBeGreaterThanOrEqual(0.99 * asked);
  expect(cost.short / cost.id, JSON.stringify(cost)).toBeLessThanOrEqual(2);
});

const WORKER_THREAD = /^qp-worker-/;

/** Time that the forwarding threads have spent on a CPU. */
function workerCpuNs(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}`);
  const workers = tasks.filter((task) => WORKER_THREAD.test(readFileSync(`${task}/comm`, "utf8")));
  expect(workers).toHaveLength(64);
  return workers.reduce((sum, task) => sum + Number(readFileSync(`${task}/schedstat`, "utf8").split(" ")[0]), 0);
}
