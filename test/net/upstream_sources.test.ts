import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ipInside } from "../../proxy/lab/namespace.ts";
import { settle } from "./counter_rows.ts";
import { inside } from "./inside.ts";
import { Network } from "./network.ts";
import { longHeader, octets, shortHeader } from "./packets.ts";
import type { Received } from "./peer.ts";
import type { Place } from "./place.ts";
import {
  BACKEND_PORT,
  LISTEN_PORT,
  type ManifestOptions,
  manifest,
  type ProxyPlan,
  type ProxyProcess,
} from "./proxy.ts";

/* From where datagrams toward backends leave: addresses, routes, ports and descriptors that come and go. */

const LIMIT_MS = 30_000;
const LEVELS = [["Auto"], ["Sockets"]] as const;
const DEVICE = "backends";

let network: Network;

beforeAll(() => {
  network = new Network();
});

beforeEach(async () => {
  for (const family of [4, 6] as const) await network.openService({ family });
});

afterEach(async () => {
  await network.remove();
  network = new Network();
});

afterAll(() => network.remove());

const backend = () => network.topology.backends[0]!;
const bothFamilies = () => ([4, 6] as const).map((family) => network.service({ family }));
const edge = (...lines: string[]): void => ipInside(network.topology.edge.namespace, lines);
const insideEdge = (command: string): string => inside(network.topology.edge.namespace, ["sh", "-c", command]);

function text({ dataPlane, ...others }: Partial<ManifestOptions>): string {
  const one = { workers: { min: 1, max: 1 }, sampleOneIn: 1_000_000_000, upstreamLevel: "Auto", ...dataPlane };
  return manifest({ backends: [network.service()], dataPlane: one, ...others });
}

const placeFor = (options: Partial<ManifestOptions>): Place => network.host.place(text(options));
const startProxy = (options: Partial<ManifestOptions>, plan: Partial<ProxyPlan> = {}): Promise<ProxyProcess> =>
  network.host.start(placeFor(options), plan);

/** One datagram of this client there and back; undefined where it does not come through. */
async function roundTrip(socket: number, seed: string, port = LISTEN_PORT): Promise<Received | undefined> {
  const payload = shortHeader(octets(8, seed));
  await network.send(socket, payload, port);
  await new Promise((wake) => setTimeout(wake, 50));
  const seen = (await network.backend.take(0)).findLast((one) => one.payload.equals(payload));
  if (!seen) return undefined;
  const answer = shortHeader(octets(8, `${seed} back`));
  await network.backend.send({ socket: seen.socket, payload: answer, address: seen.address, port: seen.port });
  await new Promise((wake) => setTimeout(wake, 50));
  return (await network.client.take(0)).some((one) => one.payload.equals(answer)) ? seen : undefined;
}

const sourceOf = async (socket: number, seed: string) => (await roundTrip(socket, seed))?.address;
const until = (ask: () => Promise<unknown>) => expect.poll(ask, { timeout: LIMIT_MS, interval: 100 });

describe.each(LEVELS)("frozen_source, level %s", (upstreamLevel) => {
  const dataPlane = { upstreamLevel };

  test("connections old and new go on from the address that the host has now, without a reload", async () => {
    const proxy = await startProxy({ dataPlane });
    const id = await network.openClient();
    await until(() => sourceOf(id, "old")).toBe("10.79.2.1");
    edge(`addr del 10.79.2.1/24 dev ${DEVICE}`, `addr add 10.79.2.99/24 dev ${DEVICE}`);
    await until(() => sourceOf(id, "old")).toBe("10.79.2.99");
    const fresh = await network.openClient();
    expect(await sourceOf(fresh, "new")).toBe("10.79.2.99");
    const { totals, networkChanges, generation } = await proxy.counters();
    expect(totals).toMatchObject({ flow_moved_source: 1, flow_evicted: 0, flow_created: 2 });
    expect(generation).toBe(1);
    expect(networkChanges).toBeGreaterThan(0);
    await until(async () => proxy.output).toContain("backends are reached from 10.79.2.99");
  });

  test("a route that prefers another address takes the connections along", async () => {
    await startProxy({ dataPlane });
    const id = await network.openClient();
    await until(() => sourceOf(id, "moved")).toBe("10.79.2.1");
    ipInside(backend().namespace, ["route add 10.79.5.1/32 via 10.79.2.1"]);
    edge("addr add 10.79.5.1/32 dev lo", `route add 10.79.2.11/32 dev ${DEVICE} src 10.79.5.1`);
    await until(() => sourceOf(id, "moved")).toBe("10.79.5.1");
    edge("route del 10.79.2.11/32");
    await until(() => sourceOf(id, "moved")).toBe("10.79.2.1");
  });

  test("without any address toward the backends it is not ready and says so, and it serves once there is one", async () => {
    edge(`addr del 10.79.2.1/24 dev ${DEVICE}`);
    const proxy = await startProxy({ dataPlane }, { until: "healthy" });
    const place = `${backend().v4}:${BACKEND_PORT}`;
    const gauge = async () => (await proxy.metrics())(`quicproxy_backend_sources{backend="${place}"}`);
    const readiness = async () => (await proxy.get("/readyz")).status;
    const id = await network.openClient();
    for (let round = 0; round < 2; round++) {
      await until(readiness).toBe(503);
      expect((await proxy.get("/readyz")).body).toContain("no route");
      expect(await gauge()).toBe(0);
      await until(async () => proxy.output).toContain("no route or no address toward 1 of 1 backends");
      edge(`addr add 10.79.2.1/24 dev ${DEVICE}`);
      await until(readiness).toBe(200);
      expect(await gauge()).toBe(1);
      await until(() => sourceOf(id, "late")).toBe("10.79.2.1");
      edge(`addr del 10.79.2.1/24 dev ${DEVICE}`);
    }
  });
});

describe("addresses that are no source", () => {
  test("of the routed one's subnet only lasting ones stand beside it, and no temporary one is ever taken", async () => {
    insideEdge(`echo 2 >/proc/sys/net/ipv6/conf/${DEVICE}/use_tempaddr`);
    edge(
      `addr add 10.79.2.50/24 dev ${DEVICE}`,
      `addr add 10.79.2.51/32 dev ${DEVICE}`,
      `addr add 10.79.2.52/24 dev ${DEVICE} label ${DEVICE}:vip`,
      `addr add 10.79.2.53/24 dev ${DEVICE} preferred_lft 0`,
      `addr add 10.79.2.54/24 dev ${DEVICE} valid_lft 3600 preferred_lft 3600`,
      `addr add fd79:2::50/64 dev ${DEVICE} nodad`,
      `addr add fd79:2::51/128 dev ${DEVICE} nodad preferred_lft 0`,
      `addr add fd79:2::52/64 dev ${DEVICE} nodad preferred_lft 0`,
      `addr add fd79:2::53/64 dev ${DEVICE} nodad mngtmpaddr valid_lft 3600 preferred_lft 3600`,
    );
    await until(async () => insideEdge(`ip -6 addr show dev ${DEVICE}`)).toMatch(/temporary/);
    const backends = bothFamilies();
    const proxy = await startProxy({ backends });
    const [v4, v6] = (await proxy.counters()).backends;
    expect(v4!.sources).toEqual(["10.79.2.1", "10.79.2.50"]);
    const temporary = /inet6 (\S+)\/64 scope global temporary/.exec(insideEdge(`ip -6 addr show dev ${DEVICE}`))![1];
    expect(v6!.sources).toContain("fd79:2::50");
    for (const none of ["fd79:2::51", "fd79:2::52", temporary]) expect(v6!.sources).not.toContain(none);
  });
});

describe("port_exhaustion", () => {
  const dataPlane = { upstreamLevel: "Sockets", workers: { min: 2, max: 2 } };
  const range = (first: number, last: number) =>
    insideEdge(`echo ${first} ${last} >/proc/sys/net/ipv4/ip_local_port_range`);

  async function flood(count: number): Promise<void> {
    for (let client = 0; client < count; client++) {
      const id = await network.openClient();
      await network.send(id, longHeader({ dcid: octets(8, `${client}`) }));
      await network.client.close(id);
    }
  }

  test("unanswered flows give way, and an eighth of the ports is left to the host's other programs", async () => {
    range(40_000, 40_199);
    const proxy = await startProxy({ dataPlane });
    await flood(220);
    expect(proxy.output).toMatch(/at most 1\d\d sockets.*ip_local_port_range/);
    const { workers, totals } = await settle(proxy, ({ totals: now }) => now.receive_datagrams === 220);
    expect(workers.reduce((sum, { gauges }) => sum + gauges.upstreamSockets, 0)).toBeLessThanOrEqual(175);
    expect(totals.flow_evicted).toBeGreaterThan(0);
    expect(totals.route_dropped_no_socket).toBe(0);
    const own = { family: 4, address: network.topology.edge.towardBackends.v4 } as const;
    for (let i = 0; i < 20; i++) await network.edge.open(own);
    const id = await network.openClient();
    expect(await sourceOf(id, "after the flood")).toBe("10.79.2.1");
  });

  test("so they do where other programs have taken the ports meanwhile", async () => {
    range(40_000, 40_199);
    const proxy = await startProxy({ dataPlane });
    const own = { family: 4, address: network.topology.edge.towardBackends.v4 } as const;
    for (let port = 40_000; port < 40_100; port++) await network.edge.open({ ...own, port });
    await flood(150);
    const { totals } = await settle(proxy, ({ totals: now }) => now.receive_datagrams === 150);
    expect(totals.flow_no_source_port).toBeGreaterThan(0);
    expect(totals.flow_evicted).toBe(totals.flow_no_source_port);
    expect(totals.route_dropped_no_socket).toBe(0);
    const id = await network.openClient();
    expect(await sourceOf(id, "between others")).toBe("10.79.2.1");
  });
});

describe("loopback", () => {
  test.each([
    ["lo_without_ipv6", "echo 1 >/proc/sys/net/ipv6/conf/lo/disable_ipv6"],
    ["lo that is down", "ip link set lo down"],
  ])("%s: backends of both families are served at level RawSend", async (_, command) => {
    insideEdge(command);
    // Metrics would not be reached by 127.0.0.1 then.
    const address = network.topology.edge.towardClients.v4;
    const backends = bothFamilies();
    const place = placeFor({ backends, metrics: { address, port: 9464 } });
    const program = network.host.launch(place.runArguments());
    await until(async () => program.output).toContain("upstream level RawSend");
    const sources = new Set<string>();
    await until(async () => {
      const id = await network.openClient();
      const source = await sourceOf(id, `client ${id}`);
      if (source !== undefined) sources.add(source);
      return [...sources].toSorted();
    }).toEqual(["10.79.2.1", "fd79:2::1"]);
  });
});

describe("ports of this host", () => {
  const upstreamPorts = { first: 10_240, last: 10_751 };
  const listeners = (...ports: number[]) => ({ listeners: ports.map((port) => ({ port })) });

  test("reload_port: a listener comes to the port that marks a block, and goes again; the block stays ours", async () => {
    const dataPlane = { upstreamPorts };
    const place = placeFor({ dataPlane, ...listeners(443) });
    const proxy = await network.host.start(place);
    const blocks = [10_240, 10_496];
    const isTaken = async (port: number) => {
      const own = { family: 4, address: network.topology.edge.towardBackends.v4, port } as const;
      try {
        await network.edge.close((await network.edge.open(own)).id);
        return false;
      } catch {
        return true;
      }
    };
    const marked = [];
    for (const port of blocks) if (await isTaken(port)) marked.push(port);
    expect(marked.length).toBe(1);
    place.write(text({ dataPlane, ...listeners(443, marked[0]!) }));
    await until(async () => proxy.output).toContain(`listening on 0.0.0.0:${marked[0]}`);
    const id = await network.openClient();
    expect(await roundTrip(id, "by the new listener", marked[0])).toBeDefined();
    place.write(text({ dataPlane, ...listeners(443) }));
    await until(async () => (await proxy.counters()).generation).toBe(3);
    expect(await isTaken(marked[0]!)).toBe(true);
    expect(await roundTrip(await network.openClient(), "by the old listener")).toBeDefined();
  });

  test("a listener on the first port of the only block marks it as well", async () => {
    const dataPlane = { upstreamPorts: { first: 10_240, last: 10_495 } };
    const proxy = await startProxy({ dataPlane, ...listeners(443, 10_240) });
    expect((await proxy.counters()).status.upstreamLevel).toBe("RawSend");
    expect(await roundTrip(await network.openClient(), "one block")).toBeDefined();
  });
});

describe("open files", () => {
  const listeners = Array.from({ length: 10 }, (_, index) => ({ port: 5000 + index }));
  const options = { listeners, dataPlane: { upstreamLevel: "Sockets", workers: { min: 4, max: 4 } } };

  test("with few of them flows are bounded, and metrics and health are still answered", async () => {
    const proxy = await startProxy(options, { wrapper: ["prlimit", "--nofile=480"] });
    for (let client = 0; client < 400; client++) {
      const id = await network.openClient();
      await network.send(id, longHeader({ dcid: octets(8, `${client}`) }), 5000);
      await network.client.close(id);
    }
    for (let request = 0; request < 20; request++) expect(await proxy.answers("/healthz")).toBe(true);
    const { status, totals } = await proxy.counters();
    expect(status.upstreamSocketBound).toBe("OpenFiles");
    expect(totals.flow_evicted).toBeGreaterThan(0);
    expect(totals.flow_socket_error).toBe(0);
  });

  test("with too few it does not start and names the number", async () => {
    const place = placeFor(options);
    const program = network.host.launch(place.runArguments(), { wrapper: ["prlimit", "--nofile=120"] });
    const { code, stderr, stdout } = await program.ended;
    expect(code).toBe(1);
    expect(stderr + stdout).toMatch(/the limit on open files is 120, at least \d+ are needed.*ulimit -n/);
  });
});
