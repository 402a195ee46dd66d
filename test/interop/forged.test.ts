import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createCertificate, createContent } from "../../proxy/lab/content.ts";
import { removeLab } from "../../proxy/lab/namespace.ts";
import { backendPort } from "../../proxy/lab/peers.ts";
import { type LabProxy, startProxyProcess } from "../../proxy/lab/proxy_process.ts";
import { createTopology, type Topology } from "../../proxy/lab/topology.ts";
import { Forger, type HeldConnection } from "./aioquic/forger.ts";
import { aioquic } from "./aioquic/stack.ts";

/* forged_datagram with real connections: valid datagrams of the attacker's own connection, the victim's address on them. */

const listenerPort = 443;
const victims = 6;
/** With three servers the last twelve are all on the server of one victim once in 100,000 runs. */
const connections = 18;

let topology: Topology;
let proxy: LabProxy | undefined;
let forger: Forger | undefined;

beforeAll(async () => {
  topology = createTopology();
  const { directory, backends } = topology;
  const certificate = createCertificate(directory);
  const names = backends.map(({ name }) => name);
  createContent(directory, names, { "content.bin": 1024 });
  await Promise.all(
    backends.map((place) => aioquic.startServer({ place, directory, certificate, validateAddress: false })),
  );
});
afterEach(async () => {
  await forger?.stop();
  await proxy?.stop();
  forger = undefined;
  proxy = undefined;
});
afterAll(() => topology && removeLab(topology.name));

async function startProxy(workers: number): Promise<LabProxy> {
  const manifest = join(topology.directory, "edge.yaml");
  const spec = {
    listeners: [{ port: listenerPort }],
    backends: { static: topology.backends.map(({ v4 }) => ({ address: v4, port: backendPort })) },
    dataPlane: { workers: { min: workers, max: workers } },
  };
  const metadata = { name: "edge" };
  writeFileSync(manifest, JSON.stringify({ apiVersion: "quicproxy.io/v1alpha1", kind: "QuicProxy", metadata, spec }));
  return startProxyProcess(topology, manifest);
}

/** For each of the first connections one of the others that another server has. */
function attackersOf(held: readonly HeldConnection[]): number[] {
  return held
    .slice(0, victims)
    .map(({ body }) => held.findIndex((other, index) => index >= victims && other.body !== body));
}

test.each([
  ["one worker", 1],
  ["two workers", 2],
])("forged_datagram, %s: 6 of 6 aioquic connections outlast one with their address and another's ID", async (_, workers) => {
  proxy = await startProxy(workers);
  const { client, edge } = topology;
  forger = await Forger.start(client.namespace, { address: edge.towardClients.v4, port: listenerPort }, connections);
  const held = await forger.ask(connections);
  expect(held.filter(({ body }) => body === null)).toEqual([]);
  const before = await proxy.restingCounters();
  for (const [victim, attacker] of attackersOf(held).entries()) {
    const { port } = held[victim]!;
    await forger.forge({
      connection: attacker,
      address: client.own.v4,
      port,
      count: 1,
      seconds: 0,
      path: null,
      challenge: false,
    });
  }
  const { totals } = await proxy.restingCounters();
  expect(totals.flow_readdressed - before.totals.flow_readdressed, "all led to the attackers' servers").toBe(victims);
  expect(await forger.ask(victims)).toEqual(held.slice(0, victims));
  expect(await forger.takeFreshIds(victims)).toBe(victims);
  expect(await forger.ask(victims)).toEqual(held.slice(0, victims));
});
