import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { Network } from "./network.ts";
import { octets, shortHeader } from "./packets.ts";
import type { Place } from "./place.ts";
import { LISTEN_PORT, METRICS, manifest, type ProxyProcess } from "./proxy.ts";

/* How the proxy ends, what a restart keeps, and what goes on while its control side stands still. */

const BACKEND_PORTS = [4433, 4434, 4435] as const;

let network: Network;
let place: Place;

beforeAll(async () => {
  network = new Network();
  for (const port of BACKEND_PORTS) await network.openEcho({ port });
});
afterAll(() => network.remove());

beforeEach(() => {
  place = network.host.place(good());
});
afterEach(async () => {
  await network.host.clear("SIGKILL");
  await network.forget();
});

const good = (): string => manifest({ backends: BACKEND_PORTS.map((port) => network.service({ port })) });
const start = (): Promise<ProxyProcess> => network.host.start(place);

async function openClients(count: number): Promise<number[]> {
  const clients: number[] = [];
  for (let index = 0; index < count; index++) clients.push(await network.openClient());
  return clients;
}

const closeClients = (clients: readonly number[]): Promise<unknown> =>
  Promise.all(clients.map((client) => network.client.close(client)));

async function startLoad(sockets: readonly number[]): Promise<void> {
  const flows = sockets.map((socket) => ({ socket, prefix: shortHeader(octets(8, `load ${socket}`)) }));
  const address = network.topology.edge.towardClients.v4;
  await network.client.startLoad({ flows, intervalMs: 1, address, port: LISTEN_PORT });
  await untilAnswered(2 * flows.length);
}

/** Waits for so many more answers. */
async function untilAnswered(count: number): Promise<void> {
  const { answered } = await network.client.loadState();
  const enough = answered + count;
  const poll = expect.poll(async () => (await network.client.loadState()).answered, { timeout: 30_000, interval: 20 });
  await poll.toBeGreaterThanOrEqual(enough);
}

/** Which backend each client's datagram reaches. */
async function backendsOf(clients: readonly number[]): Promise<number[]> {
  const backends: number[] = [];
  for (const socket of clients) {
    await network.send(socket, shortHeader(octets(8, `client ${socket}`)));
    const [seen] = await network.backend.take(1);
    backends.push(seen!.socket);
  }
  await network.client.take(clients.length);
  return backends;
}

test.each(["SIGTERM", "SIGINT"] as const)("%s under traffic ends it in order and frees the port", async (signal) => {
  const running = await start();
  const flows = await openClients(20);
  await startLoad(flows);
  const { code, stdout, stderr } = await running.stop(signal);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain(`stopping on ${signal}`);
  expect(JSON.parse(stdout.trimEnd().split("\n").at(-1)!)).toMatchObject({ msg: "stopped" });
  await network.borrowListenPort();
  await network.client.stopLoad(0);
  await closeClients(flows);
});

test("a second signal ends it at once, with 1", async () => {
  const running = await start();
  // A client that never ends its request keeps the first from being done at once.
  await network.edge.beginRequest(Number(new URL(METRICS).port));
  expect((await running.get("/healthz")).status).toBe(200);
  // Both wait for a process that stands still, so that the second comes while the first is being served.
  running.process.kill("SIGSTOP");
  running.process.kill("SIGINT");
  running.process.kill("SIGTERM");
  running.process.kill("SIGCONT");
  const { code, stdout } = await running.ended;
  expect(code).toBe(1);
  expect(stdout).not.toContain('"msg":"stopped"');
  await network.borrowListenPort();
});

test("a client that never ends its request does not keep it from ending", async () => {
  const running = await start();
  await network.edge.beginRequest(Number(new URL(METRICS).port));
  expect((await running.get("/healthz")).status).toBe(200);
  expect((await running.stop()).code).toBe(0);
});

test("killed and started again it sends every client to the same backend; without its key it would not", async () => {
  const clients = await openClients(48);
  const running = await start();
  const before = await backendsOf(clients);
  expect(new Set(before).size).toBe(BACKEND_PORTS.length);
  expect((await running.stop("SIGKILL")).code).toBe("SIGKILL");
  await network.borrowListenPort();

  const again = await start();
  expect(await backendsOf(clients)).toEqual(before);
  await again.stop("SIGKILL");

  const keys = join(place.directory, "state");
  expect(readdirSync(keys)).toEqual(["default.edge.key"]);
  rmSync(keys, { recursive: true });
  await start();
  expect(await backendsOf(clients)).not.toEqual(before);
  await closeClients(clients);
});

test("forwarding goes on while the event loop stands still, here because its thread is held", async () => {
  const running = await start();
  const flows = await openClients(20);
  await startLoad(flows);
  const holder = spawn("python3", [join(import.meta.dirname, "hold_thread.py"), String(running.pid)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  let answered = false;
  const answer = running.get("/healthz").then(() => {
    answered = true;
  });
  await untilAnswered(1000);
  expect(answered, "a thousand round trips passed, one request for /healthz did not").toBe(false);

  holder.stdin.end();
  await answer;
  const load = await network.client.stopLoad();
  expect(load.unanswered).toEqual([]);
  expect(load.answered).toBe(load.sent);
  expect((await running.stop()).code).toBe(0);
  await closeClients(flows);
});
