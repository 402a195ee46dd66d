import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ipInside } from "../../proxy/lab/namespace.ts";
import { settle } from "./counter_rows.ts";
import { Network } from "./network.ts";
import { octets, shortHeader } from "./packets.ts";
import type { Received } from "./peer.ts";
import type { Place } from "./place.ts";
import { BACKEND_PORT, LISTEN_PORT, type ManifestOptions, manifest, type ProxyProcess } from "./proxy.ts";
import { sendRaw } from "./raw_udp.ts";

/* The upstream level without a socket per flow: where it is, where it is not, and what it does to its neighbours. */

let network: Network;
let backendSocket: number;
const ECHO_PORT = BACKEND_PORT + 1;

beforeAll(async () => {
  network = new Network();
  backendSocket = await network.openService();
  await network.openEcho({ port: ECHO_PORT });
});

afterEach(async () => {
  await network.host.clear();
  await network.forget();
});

afterAll(() => network.remove());

const backend = () => network.topology.backends[0]!;
const datagram = (seed: string): Buffer => shortHeader(octets(8, seed));

function placeFor(options: Partial<ManifestOptions> = {}): Place {
  const { dataPlane, ...others } = options;
  const one = { workers: { max: 1 }, sampleOneIn: 1_000_000_000, upstreamLevel: "Auto", ...dataPlane };
  return network.host.place(manifest({ backends: [network.service()], dataPlane: one, ...others }));
}

const startProxy = (options: Partial<ManifestOptions> = {}, wrapper: readonly string[] = []): Promise<ProxyProcess> =>
  network.host.start(placeFor(options), { wrapper });

async function sendThrough(seed: string, port = LISTEN_PORT): Promise<Received> {
  const id = await network.openClient();
  await network.send(id, datagram(seed), port);
  const [seen] = await network.backend.take(1);
  expect(seen?.payload.equals(datagram(seed))).toBe(true);
  await network.backend.send({
    socket: seen!.socket,
    payload: datagram(`${seed} back`),
    address: seen!.address,
    port: seen!.port,
  });
  const [answer] = await network.client.take(1);
  expect(answer?.payload.equals(datagram(`${seed} back`))).toBe(true);
  await network.client.close(id);
  return seen!;
}

describe("the level in use", () => {
  const without = (capability: string): string[] => [
    "setpriv",
    `--bounding-set=-${capability},-sys_admin`,
    `--inh-caps=-${capability},-sys_admin`,
  ];

  test("is the one without a socket per flow for root, from the ports of the manifest", async () => {
    const proxy = await startProxy({ dataPlane: { upstreamPorts: { first: 20_000, last: 20_600 } } });
    const { status } = await proxy.counters();
    expect(status).toMatchObject({ upstreamLevel: "RawSend", upstreamPortFirst: 20_224, upstreamPortLast: 20_479 });
    expect(status.upstreamReason).toBeUndefined();
    const { port } = await sendThrough("ports");
    expect(port).toBeGreaterThanOrEqual(20_224);
    expect(port).toBeLessThanOrEqual(20_479);
  });

  test.each([
    ["net_raw", /CAP_NET_RAW/],
    ["bpf,-net_admin", /CAP_BPF and CAP_NET_ADMIN/],
  ])("is a socket per flow without %s, and status, log and metrics say so", async (capability, reason) => {
    const proxy = await startProxy({}, without(capability));
    const { status } = await proxy.counters();
    expect(status.upstreamLevel).toBe("ConnectedSocketPool");
    expect(status.upstreamReason).toMatch(reason);
    expect(proxy.output).toMatch(reason);
    expect((await proxy.get("/metrics")).body).toContain('upstream="ConnectedSocketPool"');
    await sendThrough("capabilities");
  });

  test("is a socket per flow where the manifest asks for it", async () => {
    const proxy = await startProxy({ dataPlane: { upstreamLevel: "Sockets" } });
    const { status } = await proxy.counters();
    expect(status.upstreamLevel).toBe("ConnectedSocketPool");
    expect(status.upstreamReason).toBeUndefined();
    await sendThrough("asked for");
  });
});

describe("neighbours", () => {
  test("two proxies on one host take different blocks of one range, and a third finds none", async () => {
    const upstreamPorts = { first: 20_480, last: 20_991 };
    await startProxy({ dataPlane: { upstreamPorts } });
    const other = placeFor({ listeners: [{ port: 8443 }], dataPlane: { upstreamPorts }, metrics: { port: 9465 } });
    const third = placeFor({ listeners: [{ port: 8444 }], dataPlane: { upstreamPorts }, metrics: { port: 9466 } });
    const said = [];
    for (const place of [other, third]) {
      const program = network.host.launch(place.runArguments());
      await expect.poll(() => program.output, { timeout: 50_000 }).toMatch(/upstream level \w+/);
      said.push(program.output);
    }
    expect(said[0]).toContain("upstream level RawSend");
    expect(said[1]).toContain("no block of 256 ports is free within 20480-20991");
    const blocks = [];
    for (const port of [LISTEN_PORT, 8443]) blocks.push(Math.floor((await sendThrough(`to ${port}`, port)).port / 256));
    expect(new Set(blocks)).toEqual(new Set([80, 81]));
    await sendThrough("the third", 8444);
  });

  test("a program that has a port of the range keeps it, also toward a backend", async () => {
    const { towardBackends } = network.topology.edge;
    const mine = await network.edge.open({ family: 4, address: towardBackends.v4, port: 21_000 });
    await startProxy({ dataPlane: { upstreamPorts: { first: 20_992, last: 21_247 } } });
    await network.edge.send({ socket: mine.id, payload: datagram("mine"), address: backend().v4, port: BACKEND_PORT });
    const [seen] = await network.backend.take(1);
    expect([seen?.address, seen?.port]).toEqual([towardBackends.v4, 21_000]);
    await network.backend.send({
      socket: backendSocket,
      payload: datagram("yours"),
      address: towardBackends.v4,
      port: 21_000,
    });
    const [answer] = await network.edge.take(1);
    expect(answer?.payload.equals(datagram("yours"))).toBe(true);
    await sendThrough("not mine");
    await network.edge.close(mine.id);
  });

  test("nothing of it stays when the process is killed", async () => {
    const dataPlane = { upstreamPorts: { first: 21_248, last: 21_503 } };
    const proxy = await startProxy({ dataPlane });
    await proxy.stop("SIGKILL");
    const { towardBackends } = network.topology.edge;
    const mine = await network.edge.open({ family: 4, address: towardBackends.v4, port: 21_248 });
    await network.backend.send({
      socket: backendSocket,
      payload: datagram("free"),
      address: towardBackends.v4,
      port: 21_248,
    });
    expect((await network.edge.take(1))[0]?.payload.equals(datagram("free"))).toBe(true);
    await network.edge.close(mine.id);
  });
});

describe("the path", () => {
  const setMtu = (mtu: number): void => {
    ipInside(network.topology.edge.namespace, [`link set port1 mtu ${mtu}`, `link set backends mtu ${mtu}`]);
    ipInside(backend().namespace, [`link set access mtu ${mtu}`]);
  };

  test.each([1280, 1500, 9000])("takes what fits an MTU of %i, and counts what does not", async (mtu) => {
    const clients = ["clients", network.topology.client.device] as const;
    ipInside(network.topology.edge.namespace, [`link set ${clients[0]} mtu 10000`]);
    ipInside(network.topology.client.namespace, [`link set ${clients[1]} mtu 10000`]);
    setMtu(mtu);
    const proxy = await startProxy();
    const id = await network.openClient();
    const largest = shortHeader(octets(8, "mtu"), { payloadBytes: 0 });
    const payload = Buffer.alloc(mtu - 28, 0x40);
    largest.copy(payload);
    await network.send(id, payload);
    expect((await network.backend.take(1))[0]?.payload.length).toBe(mtu - 28);
    await network.send(id, Buffer.concat([payload, Buffer.of(1)]));
    const { totals } = await settle(proxy, ({ totals: now }) => now.receive_datagrams === 2);
    expect([totals.forward_sent, totals.forward_dropped_too_big]).toEqual([1, 1]);
    setMtu(1500);
    await network.client.close(id);
  });
});

const FLOWS = 100_000;

describe("many flows", () => {
  test(`${FLOWS} flows to one backend, from two local addresses, without a descriptor for any`, async () => {
    const { edge, client } = network.topology;
    ipInside(edge.namespace, ["addr add 10.79.2.101/24 dev backends"]);
    const proxy = await startProxy({
      backends: [network.service({ port: ECHO_PORT })],
      dataPlane: {
        upstreamPorts: { first: 1024, last: 65_535 },
        newFlowsPerSecond: 10_000_000,
        receiveBuffer: "64Mi",
      },
    });
    // Of these ports none is refused as a source.
    const ports = [`12001-${12_000 + FLOWS / 2}`];
    for (const source of [client.own.v4, client.alternate.v4]) {
      sendRaw(network.topology, { source, payload: datagram("many"), ports });
    }
    const { totals, status } = await settle(proxy, ({ totals: now }) => now.receive_datagrams === FLOWS);
    expect(status.upstreamLevel).toBe("RawSend");
    expect(totals).toMatchObject({
      receive_datagrams: FLOWS,
      flow_created: FLOWS,
      forward_sent: FLOWS,
      flow_evicted: 0,
      route_dropped_no_socket: 0,
      return_dropped_no_flow: 0,
    });
    // The echo of an ordinary socket may lose some of a burst; what came back found its flow.
    expect(totals.return_received).toBeGreaterThan(FLOWS / 2);
    expect(totals.return_sent).toBe(totals.return_received);
    const gauges = async () => (await proxy.counters()).workers[0]!.gauges;
    await expect.poll(async () => (await gauges()).flows, { timeout: 60_000 }).toBe(FLOWS);
    expect((await gauges()).upstreamSockets).toBeLessThan(300);
  }, 180_000);
});
