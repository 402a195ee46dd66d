import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CountersReport } from "../../proxy/metrics/report.ts";
import { type Delta, expectMoves, movesPerWorker, type Scene, settle } from "./counter_rows.ts";
import { describeProxy } from "./counter_suite.ts";
import { Network, setQueue } from "./network.ts";
import { longHeader, octets, shortHeader } from "./packets.ts";
import type { Received } from "./peer.ts";
import { type ManifestOptions, type ProxyProcess, SOCKET_PER_FLOW } from "./proxy.ts";

/* Several workers, and several datagrams in one call. */

let network: Network;
let backendSocket: number;

beforeAll(async () => {
  network = new Network();
  backendSocket = await network.openService();
});

afterAll(() => network.remove());

const options = (dataPlane: object): ManifestOptions => ({
  backends: [network.service()],
  dataPlane: { ...dataPlane },
});

async function send(socket: number, payload: Uint8Array): Promise<Received> {
  await network.send(socket, payload);
  const [seen] = await network.backend.take(1);
  expect(seen?.payload.equals(payload)).toBe(true);
  return seen!;
}

const initial = (seed: string): Buffer =>
  longHeader({ dcid: octets(8, `${seed} random`), scid: octets(8, `${seed} client`) });
const reply = (serverId: Uint8Array): Buffer => longHeader({ dcid: octets(8, "client"), scid: serverId });

const byWorker = (before: CountersReport, after: CountersReport): number[] =>
  movesPerWorker(before, after, "receive_datagrams");

const fourWorkers = { workers: { min: 4, max: 4 } };

interface Roamed {
  before: CountersReport;
  between: CountersReport;
  after: CountersReport;
  /** Octets of each datagram that came from a new path. */
  bytes: number;
}

const PATHS = 24;

/** A connection begins, its Connection ID is learned, and datagrams with it come from 24 other ports and addresses. */
async function roam({ proxy }: Scene, enough: (now: CountersReport, from: CountersReport) => boolean): Promise<Roamed> {
  const serverId = octets(8, "roaming server");
  const before = await settle(proxy, () => true);
  const home = await network.openClient();
  const { address, port } = await send(home, initial("roaming"));
  await network.backend.send({ socket: backendSocket, payload: reply(serverId), address, port });
  expect(await network.client.take(1)).toHaveLength(1);
  // The kernel learns an ID once the client has used it.
  await send(home, shortHeader(serverId));
  const steered = before.status.steering === "ConnectionId" ? 2 : 0;
  const between = await settle(proxy, ({ totals }) => totals.steer_unknown - before.totals.steer_unknown === steered);

  const others = [];
  const { own, alternate } = network.topology.client;
  for (let index = 0; index < PATHS; index++) {
    others.push(await network.openClient({ address: (index % 2 === 0 ? own : alternate).v4 }));
  }
  const upstreamPorts = new Set([port]);
  const payload = shortHeader(serverId);
  for (const client of others) upstreamPorts.add((await send(client, payload)).port);
  expect(upstreamPorts.size, "each path has an upstream port of its own").toBe(others.length + 1);
  const after = await settle(proxy, (now) => enough(now, between));
  for (const client of [home, ...others]) await network.client.close(client);
  return { before, between, after, bytes: PATHS * payload.length };
}

const roamedMoves = (bytes: number): Delta => ({
  receive_datagrams: PATHS,
  receive_bytes: bytes,
  receive_batches: PATHS,
  parse_short_header: PATHS,
  route_dcid: PATHS,
  forward_sent: PATHS,
  forward_bytes: bytes,
  forward_calls: PATHS,
  flow_created: PATHS,
  flow_readdressed: PATHS,
});

describeProxy(
  { name: "four workers, steered", network: () => network, options: () => options(fourWorkers) },
  (scene) => {
    test("every new path of a learned connection reaches the worker that has it", async () => {
      const steered = ({ totals }: CountersReport): number => totals.steer_connection_id;
      const roamed = await roam(scene(), (now, from) => steered(now) - steered(from) === PATHS);
      const { before, between, after, bytes } = roamed;
      expect(after.status.steering).toBe("ConnectionId");
      expectMoves(between, after, { ...roamedMoves(bytes), steer_connection_id: PATHS });
      expect(byWorker(between, after)).toEqual(byWorker(before, between).map((count) => (count > 0 ? PATHS : 0)));
    });
  },
);

describeProxy(
  {
    name: "four workers without CAP_BPF",
    network: () => network,
    options: () => options(fourWorkers),
    wrapper: ["/usr/bin/setpriv", "--bounding-set=-bpf,-sys_admin"],
  },
  (scene) => {
    test("a Connection ID is found in another worker's table once per worker, from any port and address", async () => {
      const { before, between, after, bytes } = await roam(scene(), () => true);
      expect(after.status.steering).toBe("KernelHash");
      expect(after.status.steeringReason).toContain("CAP_BPF");
      expect(scene().proxy.output).toContain("steering level KernelHash: a connection whose address changes");
      const homeWorker = byWorker(before, between).findIndex((count) => count > 0);
      const visited = byWorker(between, after).filter((count, worker) => count > 0 && worker !== homeWorker);
      expect(visited.length, "24 paths reach more workers than one").toBeGreaterThan(0);
      expectMoves(between, after, { ...roamedMoves(bytes), cid_found_elsewhere: visited.length });
    });
  },
);

/** Packets that a device of the edge received. */
function arrived(pid: number, device: string): number {
  const line = readFileSync(`/proc/${pid}/net/dev`, "utf8")
    .split("\n")
    .find((text) => text.trim().startsWith(`${device}:`));
  return Number(line!.split(":")[1]!.trim().split(/\s+/)[1]);
}

const GRACE_MS = 50;

interface Pause {
  proxy: ProxyProcess;
  device: "clients" | "backends";
  count: number;
}

/** A thread that has not stopped yet would still take the first datagram, and wake up with it alone. */
function standsStill(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((task) => {
    const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
  });
}

/** While the proxy stands still, `count` datagrams come in by a device; then it goes on. */
async function whileStopped({ proxy, device, count }: Pause, act: () => Promise<void>): Promise<void> {
  const before = arrived(proxy.pid, device);
  proxy.process.kill("SIGSTOP");
  try {
    await expect.poll(() => standsStill(proxy.pid), { timeout: 30_000, interval: 5 }).toBe(true);
    await act();
    const enough = before + count;
    await expect
      .poll(() => arrived(proxy.pid, device), { timeout: 30_000, interval: 5 })
      .toBeGreaterThanOrEqual(enough);
    // From the device to the socket, and for what else the device may have received.
    await new Promise((wake) => setTimeout(wake, GRACE_MS));
  } finally {
    proxy.process.kill("SIGCONT");
  }
}

describeProxy(
  { name: "one worker, batches of 64", network: () => network, options: () => options({ workers: { max: 1 } }) },
  (scene) => {
    test("what waits is received in batches of 64 and sent in one call per batch, or one train per flow", async () => {
      const { proxy } = scene();
      const clients = [await network.openClient(), await network.openClient(), await network.openClient()];
      const before = await settle(proxy, () => true);
      const count = 130;
      const payloads = Array.from({ length: count }, (_, index) => shortHeader(octets(8, `waiting ${index}`)));
      await whileStopped({ proxy, device: "clients", count }, async () => {
        for (const [index, payload] of payloads.entries()) await network.send(clients[index % 3]!, payload);
      });
      const seen = await network.backend.take(count);
      expect(seen).toHaveLength(count);
      for (const rest of [0, 1, 2]) {
        const sent = payloads.filter((_, index) => index % 3 === rest).map((payload) => payload.toString("hex"));
        const { port } = seen.find(({ payload }) => payload.equals(payloads[rest]!))!;
        const got = seen.filter((datagram) => datagram.port === port).map(({ payload }) => payload.toString("hex"));
        expect(got, "each flow in the order in which it was sent").toEqual(sent);
      }
      const enough = before.totals.forward_sent + count;
      const after = await settle(proxy, ({ totals }) => totals.forward_sent === enough);
      expectMoves(before, after, {
        receive_datagrams: count,
        receive_bytes: count * payloads[0]!.length,
        receive_batches: 3,
        parse_short_header: count,
        route_fallback: 3,
        route_four_tuple: count - 3,
        forward_sent: count,
        forward_bytes: count * payloads[0]!.length,
        // Two full batches with all three flows, then one of the last two datagrams.
        ...(SOCKET_PER_FLOW ? { forward_calls: 3 + 3 + 2, forward_trains: 3 + 3 } : { forward_calls: 3 }),
        flow_created: 3,
      });
      for (const client of clients) await network.client.close(client);
    });

    test("answers of many flows leave in one call, one train for each", async () => {
      const { proxy } = scene();
      const clients = [await network.openClient(), await network.openClient(), await network.openClient()];
      const upstream: Received[] = [];
      for (const client of clients) upstream.push(await send(client, shortHeader(octets(8, `many ${client}`))));
      const before = await settle(proxy, () => true);
      const payload = shortHeader(octets(8, "answer"));
      await whileStopped({ proxy, device: "backends", count: 30 }, async () => {
        for (let index = 0; index < 30; index++) {
          const { address, port } = upstream[index % 3]!;
          await network.backend.send({ socket: backendSocket, payload, address, port });
        }
      });
      const got = await network.client.take(30);
      expect(clients.map((client) => got.filter(({ socket }) => socket === client).length)).toEqual([10, 10, 10]);
      const enough = before.totals.return_sent + 30;
      const after = await settle(proxy, ({ totals }) => totals.return_sent === enough);
      expectMoves(before, after, {
        return_received: 30,
        return_received_bytes: 30 * payload.length,
        return_sent: 30,
        return_bytes: 30 * payload.length,
        return_calls: 1,
        return_trains: 3,
      });
      for (const client of clients) await network.client.close(client);
    });
  },
);

describeProxy(
  {
    name: "few places for Connection IDs",
    network: () => network,
    options: () => options({ workers: { max: 1 }, flowMemory: "1Mi" }),
  },
  (scene) => {
    test("an ID that finds no place is counted as such and its datagram passes", async () => {
      const { proxy } = scene();
      const client = await network.openClient();
      const { address, port } = await send(client, longHeader({ dcid: octets(8, "full"), scid: octets(8, "client") }));
      const confirming = octets(8, "confirming");
      await network.backend.send({ socket: backendSocket, payload: reply(confirming), address, port });
      await network.client.take(1);
      await send(client, shortHeader(confirming));
      const before = await settle(proxy, () => true);
      const count = 4 * before.status.flowCapacity;
      const bytes = reply(octets(8, "0")).length;
      for (let index = 0; index < count; index++) {
        const payload = reply(octets(8, String(index)));
        await network.backend.send({ socket: backendSocket, payload, address, port });
        if (index % 64 === 63) await network.client.take(64);
      }
      const after = await settle(proxy, ({ totals }) => totals.return_sent - before.totals.return_sent === count);
      const learned = after.totals.cid_learned - before.totals.cid_learned;
      expect(learned).toBeGreaterThan(before.status.flowCapacity);
      expect(learned).toBeLessThan(count);
      expectMoves(before, after, {
        return_received: count,
        return_received_bytes: count * bytes,
        return_sent: count,
        return_bytes: count * bytes,
        return_calls: after.totals.return_calls - before.totals.return_calls,
        return_trains: after.totals.return_trains - before.totals.return_trains,
        cid_learned: learned,
        cid_table_full: count - learned,
      });
    });
  },
);

describeProxy(
  {
    name: "a send buffer of 4 KiB and a device that sends slowly",
    network: () => network,
    options: () => options({ workers: { max: 1 }, sendBuffer: "4Ki" }),
  },
  (scene) => {
    test("what finds the send buffer full is dropped with all that follow, not by a call for each", async () => {
      const { proxy } = scene();
      const client = await network.openClient();
      await send(client, shortHeader(octets(8, "slow")));
      const before = await settle(proxy, () => true);
      const { namespace } = network.topology.edge;
      setQueue(namespace, "backends", "slow");
      try {
        const count = 128;
        const payload = shortHeader(octets(8, "slow"), { payloadBytes: 1000 });
        await whileStopped({ proxy, device: "clients", count }, async () => {
          for (let index = 0; index < count; index++) await network.send(client, payload);
        });
        const enough = before.totals.receive_datagrams + count;
        const { totals } = await settle(proxy, (now) => now.totals.receive_datagrams === enough);
        const moved = (name: "forward_sent" | "forward_dropped_buffer_full" | "forward_calls"): number =>
          totals[name] - before.totals[name];
        expect(moved("forward_sent") + moved("forward_dropped_buffer_full")).toBe(count);
        expect(moved("forward_dropped_buffer_full")).toBeGreaterThanOrEqual(count / 2);
        // Two batches of 64: what the buffer takes, then the one call that is refused.
        expect(moved("forward_calls")).toBeLessThanOrEqual(2 * 2);
      } finally {
        setQueue(namespace, "backends", "none");
      }
      await network.client.close(client);
    });
  },
);

describeProxy(
  {
    name: "a receive buffer of 64 KiB",
    network: () => network,
    options: () => options({ workers: { max: 1 }, receiveBuffer: "64Ki" }),
  },
  (scene) => {
    test("what the kernel drops of a backend's datagrams at upstream sockets is counted there", async () => {
      const { proxy } = scene();
      const client = await network.openClient();
      const { address, port } = await send(client, shortHeader(octets(8, "overflow")));
      const before = await settle(proxy, () => true);
      const count = 500;
      const payload = shortHeader(octets(8, "overflow"), { payloadBytes: 1000 });
      await whileStopped({ proxy, device: "backends", count }, async () => {
        for (let index = 0; index < count; index++) {
          await network.backend.send({ socket: backendSocket, payload, address, port });
        }
      });
      // A socket per flow tells of what it has dropped with what comes after it, or when it is closed.
      await network.backend.send({ socket: backendSocket, payload, address, port });
      const moved = (now: CountersReport, name: "return_received" | "return_kernel_drops"): number =>
        now.totals[name] - before.totals[name];
      const after = await settle(
        proxy,
        (now) => moved(now, "return_received") + moved(now, "return_kernel_drops") === count + 1,
      );
      expect(moved(after, "return_kernel_drops")).toBeGreaterThan(count / 2);
      expect(moved(after, "return_received") + moved(after, "return_kernel_drops")).toBe(count + 1);
      const sample = await proxy.metrics();
      expect(sample('quicproxy_return_kernel_drops_total{worker="0"}')).toBe(after.totals.return_kernel_drops);
      expect(sample('quicproxy_upstream_receive_buffer_effective_bytes{worker="0"}')).toBe(2 * 64 * 1024);
      await network.client.close(client);
    });
  },
);
