import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { insideNamespace, ipInside } from "../../proxy/lab/namespace.ts";
import { type Delta, expectMoves, type Row, type Scene, type Step, settle } from "./counter_rows.ts";
import { describeProxy, describeRows, type Suite } from "./counter_suite.ts";
import { addressOf, edgeAliases, Network, setQueue } from "./network.ts";
import { longHeader, octets, shortHeader } from "./packets.ts";
import { BACKEND_PORT, LISTEN_PORT, type ManifestOptions, SOCKET_PER_FLOW } from "./proxy.ts";

/* Everything that can become of a datagram but arriving. */

let network: Network;
/** Of the IPv4 backend. */
let backendSocket: number;

beforeAll(async () => {
  network = new Network();
  for (const family of [4, 6] as const) {
    const address = addressOf(network.topology.backends[0]!, family);
    const { id } = await network.backend.open({ family, address, port: BACKEND_PORT });
    if (family === 4) backendSocket = id;
  }
});

afterAll(() => network.remove());

const suite = (name: string, options: () => ManifestOptions): Suite => ({ name, network: () => network, options });
const backendOf = (family: 4 | 6, port = BACKEND_PORT): ManifestOptions["backends"] => [
  { address: addressOf(network.topology.backends[0]!, family), port },
];

/** Datagrams from source ports of choice, as no socket would send them. */
function sendRaw({ family, payload, ports, hopLimit = 64 }: Burst): void {
  const { client, edge } = network.topology;
  const ends = [addressOf(client.own, family), addressOf(edge.towardClients, family), String(LISTEN_PORT)];
  const command = ["/usr/bin/python3", join(import.meta.dirname, "raw_udp.py")];
  const hex = Buffer.from(payload).toString("hex");
  const [file, args] = insideNamespace(client.namespace, [...command, ...ends, hex, String(hopLimit), ...ports]);
  execFileSync(file, args, { stdio: ["ignore", "ignore", "pipe"] });
}

interface Burst {
  family: 4 | 6;
  payload: Uint8Array;
  /** `7` or `7-9`, one after the other. */
  ports: readonly string[];
  hopLimit?: number;
  /** The backend sends back what it gets. */
  echoed?: boolean;
  /** How many datagrams that is, and how many of them reach the backend, no two of one flow in a row. */
  count: number;
  forwarded: number;
  moves: Delta;
}

/** Sends short headers in a burst: it alone decides how many arrive in one receive call. */
async function playBurst({ proxy }: Scene, burst: Burst): Promise<void> {
  const { payload, count, forwarded, moves } = burst;
  const before = await settle(proxy, () => true);
  sendRaw(burst);
  const enough = before.totals.receive_datagrams + count;
  const returned = burst.echoed ? forwarded : 0;
  const enoughReturned = before.totals.return_received + returned;
  const after = await settle(proxy, ({ totals }) => {
    return totals.receive_datagrams === enough && totals.return_received === enoughReturned;
  });
  const batches = after.totals.receive_batches - before.totals.receive_batches;
  const forwardCalls = after.totals.forward_calls - before.totals.forward_calls;
  const returnCalls = after.totals.return_calls - before.totals.return_calls;
  expect(forwardCalls).toBeLessThanOrEqual(forwarded);
  expect(forwardCalls).toBeGreaterThanOrEqual(SOCKET_PER_FLOW ? forwarded : Math.min(1, forwarded));
  // No socket has the source ports: the client's kernel says so to what is returned, at a rate of its own.
  const icmpErrors = after.totals.receive_icmp_errors - before.totals.receive_icmp_errors;
  expect(returnCalls).toBeLessThanOrEqual(returned + icmpErrors);
  expect(batches).toBeGreaterThanOrEqual(Math.ceil(count / after.status.batch));
  expect(batches).toBeLessThanOrEqual(count);
  expectMoves(before, after, {
    receive_datagrams: count,
    receive_bytes: count * payload.length,
    receive_batches: batches,
    parse_short_header: count,
    forward_sent: forwarded,
    forward_bytes: forwarded * payload.length,
    forward_calls: forwardCalls,
    return_received: returned,
    return_received_bytes: returned * payload.length,
    return_sent: returned,
    return_bytes: returned * payload.length,
    return_calls: returnCalls,
    receive_icmp_errors: icmpErrors,
    ...moves,
  });
}

const short = (seed: string, payloadBytes = 20): Buffer => shortHeader(octets(8, seed), { payloadBytes });
const oneWorker = { workers: { max: 1 } };

const families = [
  { family: 4, prefix: "10.79", mask: 24, largest: 65_507, largestHere: 65_507 },
  { family: 6, prefix: "fd79", mask: 64, largest: 65_527, largestHere: 65_488 },
] as const;

for (const { family, mask, largest, largestHere } of families) {
  const tag = `IPv${family}`;
  const network_ = family === 4 ? (part: number) => `10.79.${part}.0/24` : (part: number) => `fd79:${part}::/64`;
  const withoutRoute = (part: number, device: string): [Step, Step] => {
    const route = (verb: string) => () =>
      ipInside(network.topology.edge.namespace, [`route ${verb} ${network_(part)} dev ${device}`]);
    return [{ act: route("del") }, { act: route("add") }];
  };
  const [cutBackends, joinBackends] = withoutRoute(2, "backends");
  const [cutClients, joinClients] = withoutRoute(1, "clients");
  const alias = edgeAliases[family][0];
  const takeAlias = (verb: string) => () => {
    const line = `addr ${verb} ${alias}/${mask} dev clients`;
    ipInside(network.topology.edge.namespace, [family === 6 && verb === "add" ? `${line} nodad` : line]);
  };
  const queue = (device: string): [Step, Step] => {
    const set = (to: "full" | "none") => () => setQueue(network.topology.edge.namespace, device, to);
    return [{ act: set("full") }, { act: set("none") }];
  };
  const [fillBackends, emptyBackends] = queue("backends");
  const [fillClients, emptyClients] = queue("clients");
  const rows: Row[] = [
    {
      name: "the queue of the device toward the backend is full",
      steps: [
        { send: short("queue"), family },
        fillBackends,
        { send: short("queue"), family, fate: "dropped" },
        { send: short("queue"), family, fate: "dropped" },
        emptyBackends,
        { send: short("queue"), family },
      ],
      moves: {
        parse_short_header: 4,
        route_fallback: 1,
        route_four_tuple: 3,
        flow_created: 1,
        forward_dropped_buffer_full: 2,
        forward_calls: 4,
      },
    },
    {
      name: "the queue of the device toward the client is full",
      steps: [
        { send: short("queue back"), family },
        fillClients,
        { answer: short("queue back"), fate: "dropped" },
        emptyClients,
        { answer: short("queue back") },
      ],
      moves: { parse_short_header: 1, route_fallback: 1, flow_created: 1, return_dropped_buffer_full: 1 },
    },
    {
      name: "larger than the path to the backend takes",
      steps: [
        { send: short("big"), family },
        { send: short("big", 9000 - 9), family, fate: "dropped" },
        { send: short("big", largest - 9), family, fate: "dropped" },
        { send: short("big"), family },
      ],
      moves: {
        parse_short_header: 4,
        route_fallback: 1,
        route_four_tuple: 3,
        flow_created: 1,
        forward_dropped_too_big: 2,
        // A connected socket may have told of an ICMP error that came before: what it refuses is tried twice.
        forward_calls: SOCKET_PER_FLOW ? 6 : 4,
      },
    },
    {
      name: "no route to the backend any more, then again",
      steps: [
        { send: short("route"), family },
        cutBackends,
        { send: short("route"), family, fate: "dropped" },
        { send: short("route"), family, fate: "dropped" },
        joinBackends,
        { send: short("route"), family },
      ],
      moves: {
        parse_short_header: 4,
        route_fallback: 1,
        route_four_tuple: 3,
        flow_created: 1,
        forward_dropped_unreachable: 2,
        // With a socket per flow each is tried twice: the first error may have been an earlier datagram's.
        forward_calls: SOCKET_PER_FLOW ? 6 : 4,
      },
    },
    {
      name: "no route to the backend of a new flow",
      steps: [cutBackends, { send: short("no route"), family, fate: "dropped" }, joinBackends],
      moves: SOCKET_PER_FLOW
        ? { parse_short_header: 1, route_dropped_no_socket: 1, flow_socket_error: 1 }
        : {
            parse_short_header: 1,
            route_fallback: 1,
            flow_created: 1,
            forward_calls: 1,
            forward_dropped_unreachable: 1,
          },
    },
    {
      name: "no route to the client any more",
      steps: [
        { send: short("back"), family },
        cutClients,
        { answer: short("back"), fate: "dropped" },
        joinClients,
        { answer: short("back") },
      ],
      moves: {
        parse_short_header: 1,
        route_fallback: 1,
        flow_created: 1,
        return_dropped_unreachable: 1,
        return_calls: 3,
      },
    },
    {
      name: "the address that the client had sent to is gone",
      steps: [
        { send: short("alias"), to: alias, family },
        { act: takeAlias("del") },
        { answer: short("alias"), fate: "dropped" },
        { act: takeAlias("add") },
        { answer: short("alias") },
      ],
      moves: {
        parse_short_header: 1,
        route_fallback: 1,
        flow_created: 1,
        // IPv4 finds no route from such an address, IPv6 says that the address is none of its own.
        [family === 4 ? "return_dropped_unreachable" : "return_dropped_error"]: 1,
        return_calls: 3,
      },
    },
  ];
  describeRows(
    suite(`${tag}, one backend`, () => ({ backends: backendOf(family), dataPlane: oneWorker })),
    rows,
  );

  describeRows(
    suite(`${tag}, a backend that refuses`, () => ({
      backends: backendOf(family, BACKEND_PORT + 1),
      dataPlane: oneWorker,
    })),
    [
      {
        name: "each datagram is sent, each refusal is counted",
        steps: [1, 2, 3].map(() => ({ send: short("refused"), family, fate: "sent" })),
        moves: {
          parse_short_header: 3,
          route_fallback: 1,
          route_four_tuple: 2,
          flow_created: 1,
          return_backend_refused: 3,
        },
      },
    ],
  );

  const local = family === 4 ? "127.0.0.1" : "::1";
  let localBackend: { id: number } | undefined;
  beforeAll(async () => {
    localBackend = await network.edge.open({ family, address: local, port: BACKEND_PORT });
  });
  afterAll(() => network.edge.close(localBackend!.id));
  describeRows(
    {
      ...suite(`${tag}, a backend on the edge itself`, () => ({
        backends: [{ address: local, port: BACKEND_PORT }],
        dataPlane: oneWorker,
      })),
      backends: () => network.edge,
    },
    [
      {
        name: "the largest datagram there is passes; on the way back the path to the client is too narrow",
        steps: [
          { send: short("64 KiB", largestHere - 9), family },
          { send: longHeader({ dcid: octets(8, "l"), payloadBytes: largestHere - 15 }), family },
          { answer: Buffer.alloc(9000, 1), fate: "dropped" },
          { answer: Buffer.alloc(largestHere, 1), fate: "dropped" },
          { answer: Buffer.alloc(1200, 1) },
        ],
        moves: {
          parse_short_header: 1,
          parse_long_header: 1,
          route_fallback: 1,
          route_four_tuple: 1,
          flow_created: 1,
          return_dropped_too_big: 2,
          // What is refused is tried twice: the first error may have been an ICMP error about an earlier datagram.
          return_calls: 5,
        },
      },
    ],
  );
}

const movedId = octets(8, "moved");
describeRows(
  suite("a path that has not shown to receive", () => ({ backends: backendOf(4), dataPlane: oneWorker })),
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
  { send: short(seed), from: seed },
];

describeRows(
  suite("two upstream sockets", () => ({
    backends: backendOf(4),
    dataPlane: { ...oneWorker, upstreamLevel: "Sockets", upstreamSockets: 2 },
  })),
  [
    {
      name: "a third flow takes the place of the oldest that nobody confirmed",
      steps: [
        { send: short("a"), from: "a" },
        { send: short("b"), from: "b" },
        { send: short("c"), from: "c" },
        { send: short("b"), from: "b" },
        { send: short("a"), from: "a" },
      ],
      moves: { parse_short_header: 5, route_fallback: 4, route_four_tuple: 1, flow_created: 4, flow_evicted: 2 },
    },
    {
      name: "a third flow is refused when both are confirmed, and the two go on",
      steps: [
        ...confirmed("d"),
        ...confirmed("e"),
        { send: short("f"), from: "f", fate: "dropped" },
        { send: short("d"), from: "d" },
        { send: short("e"), from: "e" },
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
    backends: backendOf(4, ECHO_PORT),
    dataPlane: { ...oneWorker, flowMemory: "1Mi" },
  })),
  (scene) => {
    test("new flows beyond it are refused as such when all are confirmed, the others go on", async () => {
      await network.openEcho({ port: ECHO_PORT });
      const { flowCapacity, upstreamSocketMax } = (await scene().proxy.counters()).status;
      if (SOCKET_PER_FLOW) expect(upstreamSocketMax, "needs as many open files as flows").toBe(flowCapacity);
      const opening = longHeader({ dcid: octets(8, "full random"), scid: octets(8, "full") });
      const burst = { family: 4, payload: short("full"), echoed: true } as const;
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
  suite("any source port", () => ({ backends: backendOf(4), dataPlane: oneWorker })),
  (scene) => {
    test.each([4, 6] as const)("IPv%i: source port 0 is refused, 1 and 65535 are not", async (family) => {
      await playBurst(scene(), {
        family,
        payload: short(`port ${family}`),
        ports: ["0", "1", "0", "65535"],
        count: 4,
        forwarded: 2,
        moves: { route_fallback: 2, route_dropped_source: 2, flow_created: 2 },
      });
    });
  },
);

describeProxy(
  suite("sources that are no clients", () => ({ backends: backendOf(4), dataPlane: oneWorker })),
  (scene) => {
    test.each([4, 6] as const)("IPv%i: ports that attackers reflect from begin no flow", async (family) => {
      await playBurst(scene(), {
        family,
        payload: short(`reflected ${family}`),
        ports: ["53", "123", "11211", "54"],
        count: 4,
        forwarded: 1,
        moves: { route_fallback: 1, route_dropped_source: 3, flow_created: 1 },
      });
    });

    test("a backend's own port begins no flow, another port of the same host does", async () => {
      const { proxy } = scene();
      const { v4 } = network.topology.backends[0]!;
      const to = { address: network.topology.edge.towardBackends.v4, port: LISTEN_PORT };
      const payload = short("a backend asks");
      const other = await network.backend.open({ family: 4, address: v4 });
      const before = await settle(proxy, () => true);
      await network.backend.send({ socket: backendSocket, payload, ...to });
      await network.backend.send({ socket: other.id, payload, ...to });
      expect(await network.backend.take(1)).toHaveLength(1);
      const enough = before.totals.receive_datagrams + 2;
      const { totals } = await settle(proxy, (now) => now.totals.receive_datagrams === enough);
      expect(totals.route_dropped_source - before.totals.route_dropped_source).toBe(1);
      expect(totals.forward_sent - before.totals.forward_sent).toBe(1);
      await network.backend.close(other.id);
    });
  },
);

/** Sends one datagram to an address that many have, out of the client's device. */
function sendToMany(address: string): void {
  const { namespace, device } = network.topology.client;
  const program = [
    "import socket as S, sys",
    "f = S.AF_INET6 if ':' in sys.argv[1] else S.AF_INET",
    "s = S.socket(f, S.SOCK_DGRAM)",
    "s.setsockopt(S.SOL_SOCKET, S.SO_BROADCAST, 1)",
    "s.setsockopt(S.SOL_SOCKET, S.SO_BINDTODEVICE, sys.argv[2].encode())",
    "s.setsockopt(S.IPPROTO_IPV6, S.IPV6_MULTICAST_HOPS, 9) if f == S.AF_INET6 else s.setsockopt(0, S.IP_MULTICAST_TTL, 9)",
    `s.sendto(b"@" * 30, (sys.argv[1], ${LISTEN_PORT}))`,
  ].join("\n");
  const [file, args] = insideNamespace(namespace, ["/usr/bin/python3", "-c", program, address, device]);
  execFileSync(file, args, { stdio: ["ignore", "ignore", "pipe"] });
}

for (const mode of ["RunToCompletion", "Decoupled"] as const) {
  describeProxy(
    suite(`${mode}, two workers`, () => ({
      backends: backendOf(4),
      dataPlane: { mode, workers: { min: 2, max: 2 } },
    })),
    (scene) => {
      test.each([
        ["10.79.1.255", "the network's broadcast address"],
        ["255.255.255.255", "the broadcast address"],
        ["224.0.0.1", "a multicast group"],
        ["ff02::1", "a multicast group"],
      ])("a datagram to %s, %s, is forwarded by no worker", async (address) => {
        const { proxy } = scene();
        const before = await settle(proxy, () => true);
        sendToMany(address);
        // Each worker gets a copy.
        const enough = before.totals.receive_datagrams + 2;
        const after = await settle(proxy, ({ totals }) => totals.receive_datagrams === enough);
        expectMoves(before, after, {
          receive_datagrams: 2,
          receive_bytes: 60,
          receive_batches: 2,
          parse_short_header: 2,
          route_dropped_not_unicast: 2,
          steer_unknown: after.totals.steer_unknown - before.totals.steer_unknown,
        });
      });
    },
  );
}

describeProxy(
  suite("hop limits", () => ({ backends: backendOf(4), dataPlane: oneWorker })),
  (scene) => {
    test.each([
      4, 6,
    ] as const)("IPv%i: a hop limit of 1 ends here, as at a router; 2 reaches the backend", async (family) => {
      const burst = { family, payload: short(`hops ${family}`), count: 2 } as const;
      const ended = { ...burst, hopLimit: 1, ports: ["9001-9002"], forwarded: 0 };
      await playBurst(scene(), { ...ended, moves: { route_dropped_hop_limit: 2 } });
      const passes = { ...burst, hopLimit: 2, ports: ["9003-9004"], forwarded: 2 };
      await playBurst(scene(), { ...passes, moves: { route_fallback: 2, flow_created: 2 } });
      expect(await network.backend.take(2)).toHaveLength(2);
    });
  },
);

describeProxy(
  suite("idle timeout of one second", () => ({
    backends: backendOf(4),
    routing: { idleTimeout: "1s" },
    dataPlane: oneWorker,
  })),
  (scene) => {
    test("each flow ends once, and a later datagram begins a new one", async () => {
      const { proxy } = scene();
      const burst = { family: 4, payload: short("idle"), ports: ["7001-7003"], count: 3, forwarded: 3 } as const;
      const begun = { route_fallback: 3, flow_created: 3 };
      await playBurst(scene(), { ...burst, moves: begun });
      await expect.poll(async () => (await proxy.counters()).totals.flow_expired, { timeout: 60_000 }).toBe(3);
      await playBurst(scene(), { ...burst, moves: begun });
    });
  },
);
