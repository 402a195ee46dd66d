import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { insideNamespace, ipInside } from "../../proxy/lab/namespace.ts";
import { settle } from "./counter_rows.ts";
import { createNetwork, type Network } from "./network.ts";
import { octets, shortHeader } from "./packets.ts";
import type { Received } from "./peer.ts";
import { BACKEND_PORT, LISTEN_PORT, type ManifestOptions, manifest, Place, Program, ProxyProcess } from "./proxy.ts";

/* The upstream level without a socket per flow: where it is, where it is not, and what it does to its neighbours. */

let network: Network;
let backendSocket: number;
const ECHO_PORT = BACKEND_PORT + 1;
const started: Program[] = [];
const places: Place[] = [];

beforeAll(async () => {
  network = createNetwork();
  backendSocket = (await network.backend.open({ family: 4, address: backend().v4, port: BACKEND_PORT })).id;
  await network.backend.echo((await network.backend.open({ family: 4, address: backend().v4, port: ECHO_PORT })).id);
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((program) => program.stop()));
  for (const place of places.splice(0)) place.remove();
  for (const peer of [network.client, network.edge, network.backend]) await peer.take(0);
});

afterAll(() => network.remove());

const backend = () => network.topology.backends[0]!;
const datagram = (seed: string): Buffer => shortHeader(octets(8, seed));

function placeFor(options: Partial<ManifestOptions> = {}): Place {
  const { dataPlane, ...others } = options;
  const place = new Place(network.topology.directory);
  places.push(place);
  const one = { workers: { max: 1 }, sampleOneIn: 1_000_000_000, upstreamLevel: "Auto", ...dataPlane };
  place.write(manifest({ backends: [{ address: backend().v4, port: BACKEND_PORT }], dataPlane: one, ...others }));
  return place;
}

async function startProxy(options: Partial<ManifestOptions> = {}, wrapper?: readonly string[]): Promise<ProxyProcess> {
  const { namespace } = network.topology.edge;
  const plan = { place: placeFor(options), namespace, reader: network.edge };
  const proxy = await ProxyProcess.start({ ...plan, ...(wrapper ? { wrapper } : {}) });
  started.push(proxy);
  return proxy;
}

async function sendThrough(seed: string, port = LISTEN_PORT): Promise<Received> {
  const { id } = await network.client.open({ family: 4, address: network.topology.client.own.v4 });
  await network.client.send({
    socket: id,
    payload: datagram(seed),
    address: network.topology.edge.towardClients.v4,
    port,
  });
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
    const { namespace } = network.topology.edge;
    for (const place of [other, third]) {
      const args = ["run", "-f", place.file, "--state-dir", join(place.directory, "state")];
      const program = new Program(args, { namespace });
      started.push(program);
      await expect.poll(() => program.output, { timeout: 50_000 }).toMatch(/upstream level \w+/);
    }
    expect(started[1]!.output).toContain("upstream level RawSend");
    expect(started[2]!.output).toContain("no block of 256 ports is free within 20480-20991");
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
    const { id } = await network.client.open({ family: 4, address: network.topology.client.own.v4 });
    const to = { socket: id, address: network.topology.edge.towardClients.v4, port: LISTEN_PORT };
    const largest = shortHeader(octets(8, "mtu"), { payloadBytes: 0 });
    const payload = Buffer.alloc(mtu - 28, 0x40);
    largest.copy(payload);
    await network.client.send({ ...to, payload });
    expect((await network.backend.take(1))[0]?.payload.length).toBe(mtu - 28);
    await network.client.send({ ...to, payload: Buffer.concat([payload, Buffer.of(1)]) });
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
      backends: [{ address: backend().v4, port: ECHO_PORT }],
      dataPlane: {
        upstreamPorts: { first: 1024, last: 65_535 },
        newFlowsPerSecond: 10_000_000,
        receiveBuffer: "64Mi",
      },
    });
    // Of these ports none is refused as a source.
    const sendFrom = (source: string): void => {
      const script = ["/usr/bin/python3", join(import.meta.dirname, "raw_udp.py")];
      const ends = [source, edge.towardClients.v4, String(LISTEN_PORT)];
      const args = [...script, ...ends, datagram("many").toString("hex"), "64", `12001-${12_000 + FLOWS / 2}`];
      const [file, all] = insideNamespace(client.namespace, args);
      execFileSync(file, all, { stdio: ["ignore", "ignore", "pipe"] });
    };
    sendFrom(client.own.v4);
    sendFrom(client.alternate.v4);
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
