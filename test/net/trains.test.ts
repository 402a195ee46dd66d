import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { insideNamespace, ipInside } from "../../proxy/lab/namespace.ts";
import { expectMoves, type Scene, settle } from "./counter_rows.ts";
import { describeProxy } from "./counter_suite.ts";
import { inside, script } from "./inside.ts";
import { addressOf, Network, setQueue } from "./network.ts";
import { octets, shortHeader } from "./packets.ts";
import { BACKEND_PORT, LISTEN_PORT, type ManifestOptions } from "./proxy.ts";

/* Trains of datagrams over devices: what the path or the device does not take is sent one by one. */

let network: Network;
const ANSWER_PORT = BACKEND_PORT + 1;

beforeAll(async () => {
  network = new Network();
  for (const family of [4, 6] as const) await network.openService({ family });
});

afterAll(() => network.remove());

const options = (family: 4 | 6, port = BACKEND_PORT): ManifestOptions => ({
  backends: [network.service({ family, port })],
  dataPlane: { workers: { max: 1 }, upstreamLevel: "Sockets" },
});

const SEGMENT = 1350;
const LAST = 600;
const COUNT = 10;
const TRAFFIC_CLASS = "2";

/** Nine datagrams of 1,350 octets and a last one of 600. */
const trainOf = (seed: string): Buffer[] =>
  Array.from({ length: COUNT }, (_, index) => {
    const bytes = index === COUNT - 1 ? LAST : SEGMENT;
    return shortHeader(octets(8, seed), { payloadBytes: bytes - 9 }).fill(index, 9);
  });
const BYTES = (COUNT - 1) * SEGMENT + LAST;

const shape = (train: readonly Buffer[]): string[] => [
  String(SEGMENT),
  TRAFFIC_CLASS,
  Buffer.concat(train).toString("hex"),
];

function sendTrain(family: 4 | 6, train: readonly Buffer[]): void {
  const { client, edge } = network.topology;
  const ends = [addressOf(client.own, family), addressOf(edge.towardClients, family), String(LISTEN_PORT)];
  inside(client.namespace, script("train_udp.py", "send", ...ends, ...shape(train)));
}

const device = (name: "clients" | "backends", ...settings: string[]): void =>
  ipInside(network.topology.edge.namespace, [`link set dev ${name} ${settings.join(" ")}`]);

const offload = (namespace: string, name: string, value: "on" | "off"): void =>
  void inside(namespace, ["ethtool", "-K", name, "tx-udp-segmentation", value, "gso", value]);

/** While the device's queue has length 0: it takes nothing, and nothing passes it by. */
async function withFullQueue<Result>(name: "clients" | "backends", act: () => Promise<Result>): Promise<Result> {
  setQueue(network.topology.edge.namespace, name, "full");
  try {
    return await act();
  } finally {
    setQueue(network.topology.edge.namespace, name, "none");
  }
}

const hex = (datagrams: readonly { payload: Buffer }[]): string[] =>
  datagrams.map(({ payload }) => payload.toString("hex"));
const hexOf = (train: readonly Buffer[]): string[] => train.map((datagram) => datagram.toString("hex"));

const received = (trains: number) => ({
  receive_datagrams: COUNT,
  receive_bytes: BYTES,
  parse_short_header: COUNT,
  route_fallback: 1,
  route_four_tuple: COUNT - 1,
  flow_created: 1,
  receive_trains: trains,
});

for (const family of [4, 6] as const) {
  describeProxy(
    { name: `IPv${family}: trains from clients`, network: () => network, options: () => options(family) },
    (scene) => {
      const upload = async ({ proxy }: Scene, seed: string) => {
        const before = await settle(proxy, () => true);
        const train = trainOf(seed);
        sendTrain(family, train);
        const enough = before.totals.receive_datagrams + COUNT;
        const after = await settle(proxy, ({ totals }) => totals.receive_datagrams === enough);
        return { before, after, train };
      };

      test("a train passes as one", async () => {
        const { before, after, train } = await upload(scene(), "whole");
        expect(hex(await network.backend.take(COUNT))).toEqual(hexOf(train));
        expectMoves(before, after, {
          ...received(1),
          receive_batches: 1,
          forward_sent: COUNT,
          forward_bytes: BYTES,
          forward_calls: 1,
          forward_trains: 1,
        });
      });

      test("pieces larger than the path takes are counted one by one, and the smaller one passes", async () => {
        device("backends", "mtu", "1280");
        try {
          const { before, after, train } = await upload(scene(), "too big");
          expect(hex(await network.backend.take(1))).toEqual(hexOf(train.slice(-1)));
          expectMoves(before, after, {
            ...received(1),
            receive_batches: 1,
            forward_sent: 1,
            forward_bytes: LAST,
            forward_dropped_too_big: COUNT - 1,
            // The train, then each piece that is refused, the first one twice, then the last.
            forward_calls: 1 + COUNT + 1,
            forward_trains_refused: 1,
          });
        } finally {
          device("backends", "mtu", "1500");
        }
      });

      test("of a train that finds the device's queue full every datagram is a drop", async () => {
        const { before, after } = await withFullQueue("backends", () => upload(scene(), "queue"));
        expect(await network.backend.take(0)).toEqual([]);
        expectMoves(before, after, {
          ...received(1),
          receive_batches: 1,
          forward_dropped_buffer_full: COUNT,
          forward_calls: 1,
        });
      });

      test("without offload on the devices the datagrams come one by one and pass all the same", async () => {
        const { client, edge } = network.topology;
        offload(client.namespace, client.device, "off");
        offload(edge.namespace, "port1", "off");
        try {
          const { before, after, train } = await upload(scene(), "no offload");
          expect(hex(await network.backend.take(COUNT))).toEqual(hexOf(train));
          const change = (name: "receive_batches" | "forward_calls" | "forward_trains"): number =>
            after.totals[name] - before.totals[name];
          expectMoves(before, after, {
            ...received(0),
            receive_batches: change("receive_batches"),
            forward_sent: COUNT,
            forward_bytes: BYTES,
            forward_calls: change("forward_calls"),
            forward_trains: change("forward_trains"),
          });
        } finally {
          offload(client.namespace, client.device, "on");
          offload(edge.namespace, "port1", "on");
        }
      });
    },
  );

  describeProxy(
    {
      name: `IPv${family}: trains from backends`,
      network: () => network,
      options: () => options(family, ANSWER_PORT),
    },
    (scene) => {
      /** One datagram to the backend, which answers with a train. */
      const download = async ({ proxy }: Scene, seed: string) => {
        const { topology } = network;
        const address = addressOf(topology.backends[0]!, family);
        const train = trainOf(seed);
        const command = script("train_udp.py", "answer", address, String(ANSWER_PORT), ...shape(train));
        const [file, args] = insideNamespace(topology.backends[0]!.namespace, command);
        const backend = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
        const ended = once(backend, "exit");
        await once(backend.stdout, "data");
        const before = await settle(proxy, () => true);
        const id = await network.openClient({ family });
        const request = shortHeader(octets(8, seed));
        const to = addressOf(topology.edge.towardClients, family);
        await network.client.send({ socket: id, payload: request, address: to, port: LISTEN_PORT });
        expect((await ended)[0]).toBe(0);
        const enough = before.totals.return_received + COUNT;
        const after = await settle(proxy, ({ totals }) => totals.return_received === enough);
        const moves = {
          receive_datagrams: 1,
          receive_bytes: request.length,
          receive_batches: 1,
          parse_short_header: 1,
          route_fallback: 1,
          flow_created: 1,
          forward_sent: 1,
          forward_bytes: request.length,
          forward_calls: 1,
          return_received: COUNT,
          return_received_bytes: BYTES,
          return_received_trains: 1,
        };
        return { before, after, train, moves, id };
      };

      test("a train passes as one", async () => {
        const { before, after, train, moves, id } = await download(scene(), "whole");
        expect(hex(await network.client.take(COUNT))).toEqual(hexOf(train));
        expectMoves(before, after, {
          ...moves,
          return_sent: COUNT,
          return_bytes: BYTES,
          return_calls: 1,
          return_trains: 1,
        });
        await network.client.close(id);
      });

      test("pieces larger than the path takes are counted one by one, and the smaller one passes", async () => {
        device("clients", "mtu", "1280");
        try {
          const { before, after, train, moves, id } = await download(scene(), "too big");
          expect(hex(await network.client.take(1))).toEqual(hexOf(train.slice(-1)));
          expectMoves(before, after, {
            ...moves,
            return_sent: 1,
            return_bytes: LAST,
            return_dropped_too_big: COUNT - 1,
            // The train, then each piece that is refused, the first one twice, then the last.
            return_calls: 1 + COUNT + 1,
            return_trains_refused: 1,
          });
          await network.client.close(id);
        } finally {
          device("clients", "mtu", "1500");
        }
      });

      test("of a train that finds the device's queue full every datagram is a drop", async () => {
        const { before, after, moves, id } = await withFullQueue("clients", () => download(scene(), "queue"));
        expect(await network.client.take(0)).toEqual([]);
        expectMoves(before, after, { ...moves, return_dropped_buffer_full: COUNT, return_calls: 1 });
        await network.client.close(id);
      });
    },
  );
}
