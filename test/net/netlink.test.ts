import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ipInside } from "../../proxy/lab/namespace.ts";
import { Network } from "./network.ts";
import { octets, shortHeader } from "./packets.ts";
import type { Place } from "./place.ts";
import { BACKEND_PORT, LISTEN_PORT, manifest, type ProxyProcess } from "./proxy.ts";

/* Where the kernel makes no netlink socket nobody tells of changed addresses and routes, and routes are still found. */

const LIMIT_MS = 30_000;
const DEVICE = "backends";
const PORTS = [BACKEND_PORT, BACKEND_PORT + 1];
const WITHOUT_NETLINK = ["/usr/bin/python3", join(import.meta.dirname, "without_netlink.py")];

let network: Network;
let place: Place;

beforeAll(async () => {
  network = new Network();
  for (const port of PORTS) await network.openService({ port });
});
afterEach(() => network.host.clear());
afterAll(() => network?.remove());

function start(wrapper: readonly string[]): Promise<ProxyProcess> {
  place = network.host.place();
  write(1);
  return network.host.start(place, { wrapper });
}

function write(backends: number): void {
  place.write(manifest({ backends: PORTS.slice(0, backends).map((port) => network.service({ port })) }));
}

const readdress = (from: string, to: string): void =>
  ipInside(network.topology.edge.namespace, [`addr del ${from}/24 dev ${DEVICE}`, `addr add ${to}/24 dev ${DEVICE}`]);

/** The address that the backend sees this client's datagram come from. */
async function sourceOf(socket: number): Promise<string | undefined> {
  const payload = shortHeader(octets(8, "netlink"));
  const address = network.topology.edge.towardClients.v4;
  await network.client.send({ socket, payload, address, port: LISTEN_PORT });
  await new Promise((wake) => setTimeout(wake, 50));
  return (await network.backend.take(0)).at(-1)?.address;
}

const SAID = "the kernel does not tell when addresses and routes change";

test("netlink refused: status, log and metric say so; a reload and the clock still find what has changed", async () => {
  const running = await start(WITHOUT_NETLINK);
  expect((await running.counters()).status.networkEvents).toBe(false);
  expect(running.output).toContain(SAID);
  expect((await running.metrics())("quicproxy_network_events")).toBe(0);

  const { id } = await network.client.open({ family: 4, address: network.topology.client.own.v4 });
  expect(await sourceOf(id)).toBe("10.79.2.1");
  readdress("10.79.2.1", "10.79.2.98");
  write(2);
  let report = await running.counters();
  while (report.generation === 1) report = await running.counters();
  expect(report.backends.map(({ sources }) => sources)).toEqual([["10.79.2.98"], ["10.79.2.98"]]);
  await expect.poll(() => sourceOf(id), { timeout: LIMIT_MS }).toBe("10.79.2.98");

  readdress("10.79.2.98", "10.79.2.1");
  await expect.poll(() => sourceOf(id), { timeout: LIMIT_MS }).toBe("10.79.2.1");
  const rejected = async () => (await running.counters()).reloads.rejected;
  place.write(manifest({ backends: [{ address: "10.79.2.1", port: LISTEN_PORT }] }));
  await expect.poll(rejected, { timeout: LIMIT_MS }).toBe(1);
  expect((await running.counters()).staleReason).toContain("loop");
});

test("netlink granted: nothing is said of it", async () => {
  const running = await start([]);
  expect((await running.counters()).status.networkEvents).toBe(true);
  expect(running.output).not.toContain(SAID);
  expect((await running.metrics())("quicproxy_network_events")).toBe(1);
});
