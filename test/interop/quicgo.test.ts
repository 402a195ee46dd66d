import { afterAll, beforeAll, expect, test } from "vitest";
import { download, ngtcp2 } from "../../proxy/lab/peers.ts";
import { loggedConnections } from "../../proxy/lab/quicgo.ts";
import { buildQuicGo } from "./quicgo/build.ts";
import { createQuicGoLab, faultsOf, listenerPort, type QuicGoLab } from "./quicgo/lab.ts";

/* quic-go on both sides, with its own Connection IDs of 4 octets, which the proxy can only learn. */

const afterOctets = 256 * 1024;
let lab: QuicGoLab;

beforeAll(async () => {
  lab = await createQuicGoLab({ programs: buildQuicGo() });
}, 900_000);

afterAll(() => lab?.remove());

test.each(["v4", "v6"] as const)("downloads over IP%s are right and come from every backend", async (family) => {
  const { code, connections } = await lab.run(family, {});
  expect(faultsOf({ code, connections })).toEqual([]);
  expect(code).toBe(0);
  expect(connections.map(({ octets }) => octets)).toEqual(connections.map(() => lab.content.bytes));
  const backends = lab.topology.backends.map(({ name }) => name);
  expect(new Set(connections.map(({ server }) => server))).toEqual(new Set(backends));
});

test.each([
  ["v4", "port"],
  ["v4", "address"],
  ["v6", "port"],
  ["v6", "address"],
] as const)("20 of 20 connections over IP%s survive that a NAT changes their %s", async (family, what) => {
  const { own, alternate } = lab.topology.client;
  const locals = [own[family], what === "port" ? own[family] : alternate[family]];
  const movedBefore = movedConnections();
  const report = await lab.run(family, { change: { kind: "rebind", afterOctets }, locals });
  expect(faultsOf(report)).toEqual([]);
  expect(report.connections.map(({ paths }) => paths.length)).toEqual(report.connections.map(() => 2));
  // The servers were told: each connection went on from another place of the proxy.
  await expect.poll(movedConnections, { timeout: 60_000 }).toBe(movedBefore + 20);
});

const movedConnections = (): number =>
  lab.servers.flatMap(loggedConnections).filter(({ first, last }) => first !== last).length;

test.each(["v4", "v6"] as const)("gtlsclient downloads from quic-go over IP%s", async (family) => {
  const { client, directory, edge } = lab.topology;
  const target = { address: edge.towardClients[family], port: listenerPort };
  const common = { stack: ngtcp2, namespace: client.namespace, directory, content: lab.content, target };
  for (let number = 0; number < 5; number++) {
    const { fault } = await download({ ...common, name: `gtlsclient-${family}-${number}` });
    expect(fault).toBeUndefined();
  }
});
