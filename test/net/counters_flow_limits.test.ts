import { afterAll, beforeAll, expect, test } from "vitest";
import { playBurst } from "./burst.ts";
import type { Step } from "./counter_rows.ts";
import { describeProxy, describeRows, type Suite } from "./counter_suite.ts";
import { Network } from "./network.ts";
import { longHeader, octets, shortHeader, shortOf } from "./packets.ts";
import { BACKEND_PORT, type ManifestOptions, SOCKET_PER_FLOW } from "./proxy.ts";

/* What flows are granted: octets before their path is proven, sockets, memory and time. */

let network: Network;

beforeAll(async () => {
  network = new Network();
  await network.openService();
});

afterAll(() => network.remove());

const suite = (name: string, options: () => ManifestOptions): Suite => ({ name, network: () => network, options });
const oneWorker = { workers: { max: 1 } };

const movedId = octets(8, "moved");
describeRows(
  suite("a path that has not shown to receive", () => ({ backends: [network.service()], dataPlane: oneWorker })),
  [
    {
      name: "gets room for three challenges and three times what came from it, and everything after a round trip",
      steps: [
        { send: longHeader({ dcid: octets(8, "moved random"), scid: octets(8, "moved client") }) },
        { answer: longHeader({ dcid: octets(8, "moved client"), scid: movedId }) },
        { send: shortHeader(movedId, { payloadBytes: 91 }), from: "new path" },
        { answer: Buffer.alloc(1400, 1), toward: "new path" },
        { answer: Buffer.alloc(1400, 1), toward: "new path" },
        { answer: Buffer.alloc(1101, 1), toward: "new path", fate: "dropped" },
        { answer: Buffer.alloc(1100, 1), toward: "new path" },
        { answer: Buffer.alloc(1, 1), toward: "new path", fate: "dropped" },
        { send: shortHeader(movedId, { payloadBytes: 91 }), from: "new path" },
        { answer: Buffer.alloc(1400, 1), toward: "new path" },
      ],
      moves: {
        parse_long_header: 1,
        parse_short_header: 2,
        route_fallback: 1,
        route_dcid: 2,
        flow_created: 2,
        flow_readdressed: 1,
        cid_learned: 1,
        return_dropped_unconfirmed: 2,
        return_calls: 5,
      },
    },
  ],
);

/** A connection whose client has used the ID that its server chose: its flow gives way to nobody. */
const confirmed = (seed: string): Step[] => [
  { send: longHeader({ dcid: octets(8, `${seed} random`), scid: octets(8, `${seed} client`) }), from: seed },
  { answer: longHeader({ dcid: octets(8, `${seed} client`), scid: octets(8, seed) }), toward: seed },
  { send: shortOf(seed), from: seed },
];

describeRows(
  suite("two upstream sockets", () => ({
    backends: [network.service()],
    dataPlane: { ...oneWorker, upstreamLevel: "Sockets", upstreamSockets: 2 },
  })),
  [
    {
      name: "a third flow takes the place of the oldest that nobody confirmed",
      steps: [
        { send: shortOf("a"), from: "a" },
        { send: shortOf("b"), from: "b" },
        { send: shortOf("c"), from: "c" },
        { send: shortOf("b"), from: "b" },
        { send: shortOf("a"), from: "a" },
      ],
      moves: { parse_short_header: 5, route_fallback: 4, route_four_tuple: 1, flow_created: 4, flow_evicted: 2 },
    },
    {
      name: "a third flow is refused when both are confirmed, and the two go on",
      steps: [
        ...confirmed("d"),
        ...confirmed("e"),
        { send: shortOf("f"), from: "f", fate: "dropped" },
        { send: shortOf("d"), from: "d" },
        { send: shortOf("e"), from: "e" },
      ],
      moves: {
        parse_long_header: 2,
        parse_short_header: 5,
        route_fallback: 2,
        route_dcid: 4,
        route_dropped_no_socket: 1,
        flow_created: 2,
        flow_confirmed: 2,
        flow_evicted: 2,
        cid_learned: 2,
      },
    },
  ],
);

const ECHO_PORT = BACKEND_PORT + 2;
/** Small datagrams that wait in the receive buffer of an ordinary socket, however late its program looks. */
const FITS_A_SOCKET = 200;

describeProxy(
  suite("room for few flows", () => ({
    backends: [network.service({ port: ECHO_PORT })],
    dataPlane: { ...oneWorker, flowMemory: "1Mi" },
  })),
  (scene) => {
    test("new flows beyond it are refused as such when all are confirmed, the others go on", async () => {
      await network.openEcho({ port: ECHO_PORT });
      const { flowCapacity, upstreamSocketMax } = (await scene().proxy.counters()).status;
      if (SOCKET_PER_FLOW) expect(upstreamSocketMax, "needs as many open files as flows").toBe(flowCapacity);
      const opening = longHeader({ dcid: octets(8, "full random"), scid: octets(8, "full") });
      const burst = { family: 4, payload: shortOf("full"), echoed: true } as const;
      // Without a port that is refused as a source.
      const first = 20_000;
      const end = first + flowCapacity;
      for (let port = first; port < end; port += FITS_A_SOCKET) {
        const count = Math.min(FITS_A_SOCKET, end - port);
        const chunk = { ...burst, ports: [`${port}-${port + count - 1}`], count, forwarded: count };
        // The echo is a server that takes its client's own ID for its own.
        const begun = { parse_short_header: 0, parse_long_header: count, route_fallback: count, flow_created: count };
        const learned = port === first ? 1 : 0;
        await playBurst(scene(), { ...chunk, payload: opening, moves: { ...begun, cid_learned: learned } });
        await playBurst(scene(), { ...chunk, moves: { route_dcid: count, flow_confirmed: count } });
      }
      await playBurst(scene(), {
        ...burst,
        ports: [`${end}-${end + 99}`, `${first}-${first + 9}`],
        count: 110,
        forwarded: 10,
        moves: { route_dcid: 10, route_dropped_table_full: 100 },
      });
    });
  },
);

describeProxy(
  suite("idle timeout of one second", () => ({
    backends: [network.service()],
    routing: { idleTimeout: "1s" },
    dataPlane: oneWorker,
  })),
  (scene) => {
    test("each flow ends once, and a later datagram begins a new one", async () => {
      const { proxy } = scene();
      const burst = { family: 4, payload: shortOf("idle"), ports: ["7001-7003"], count: 3, forwarded: 3 } as const;
      const begun = { route_fallback: 3, flow_created: 3 };
      await playBurst(scene(), { ...burst, moves: begun });
      await expect.poll(async () => (await proxy.counters()).totals.flow_expired, { timeout: 60_000 }).toBe(3);
      await playBurst(scene(), { ...burst, moves: begun });
    });
  },
);
