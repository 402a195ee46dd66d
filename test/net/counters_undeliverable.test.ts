import { afterAll, beforeAll } from "vitest";
import { ipInside } from "../../proxy/lab/namespace.ts";
import type { Delta, Row, Step } from "./counter_rows.ts";
import { describeRows, type Suite } from "./counter_suite.ts";
import { edgeAliases, Network, setQueue } from "./network.ts";
import { longHeader, octets, shortOf } from "./packets.ts";
import { BACKEND_PORT, type ManifestOptions, SOCKET_PER_FLOW } from "./proxy.ts";

/* What the proxy sends and the kernel, a device or the other end does not take. */

let network: Network;

beforeAll(async () => {
  network = new Network();
  for (const family of [4, 6] as const) await network.openService({ family });
});

afterAll(() => network.remove());

const suite = (name: string, options: () => ManifestOptions): Suite => ({ name, network: () => network, options });
const oneWorker = { workers: { max: 1 } };
const oneFlow = (datagrams: number): Delta => ({
  parse_short_header: datagrams,
  route_fallback: 1,
  route_four_tuple: datagrams - 1,
  flow_created: 1,
});

const families = [
  { family: 4, mask: 24, largest: 65_507, largestHere: 65_507 },
  { family: 6, mask: 64, largest: 65_527, largestHere: 65_488 },
] as const;

for (const { family, mask, largest, largestHere } of families) {
  const tag = `IPv${family}`;
  const subnet = family === 4 ? (part: number) => `10.79.${part}.0/24` : (part: number) => `fd79:${part}::/64`;
  const withoutRoute = (part: number, device: string): [Step, Step] => {
    const route = (verb: string) => () =>
      ipInside(network.topology.edge.namespace, [`route ${verb} ${subnet(part)} dev ${device}`]);
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
        { send: shortOf("queue"), family },
        fillBackends,
        { send: shortOf("queue"), family, fate: "dropped" },
        { send: shortOf("queue"), family, fate: "dropped" },
        emptyBackends,
        { send: shortOf("queue"), family },
      ],
      moves: {
        ...oneFlow(4),
        forward_dropped_buffer_full: 2,
        forward_calls: 4,
      },
    },
    {
      name: "the queue of the device toward the client is full",
      steps: [
        { send: shortOf("queue back"), family },
        fillClients,
        { answer: shortOf("queue back"), fate: "dropped" },
        emptyClients,
        { answer: shortOf("queue back") },
      ],
      moves: { ...oneFlow(1), return_dropped_buffer_full: 1 },
    },
    {
      name: "larger than the path to the backend takes",
      steps: [
        { send: shortOf("big"), family },
        { send: shortOf("big", 9000 - 9), family, fate: "dropped" },
        { send: shortOf("big", largest - 9), family, fate: "dropped" },
        { send: shortOf("big"), family },
      ],
      moves: {
        ...oneFlow(4),
        forward_dropped_too_big: 2,
        // A connected socket may have told of an ICMP error that came before: what it refuses is tried twice.
        forward_calls: SOCKET_PER_FLOW ? 6 : 4,
      },
    },
    {
      name: "no route to the backend any more, then again",
      steps: [
        { send: shortOf("route"), family },
        cutBackends,
        { send: shortOf("route"), family, fate: "dropped" },
        { send: shortOf("route"), family, fate: "dropped" },
        joinBackends,
        { send: shortOf("route"), family },
      ],
      moves: {
        ...oneFlow(4),
        forward_dropped_unreachable: 2,
        // With a socket per flow each is tried twice: the first error may have been an earlier datagram's.
        forward_calls: SOCKET_PER_FLOW ? 6 : 4,
      },
    },
    {
      name: "no route to the backend of a new flow",
      steps: [cutBackends, { send: shortOf("no route"), family, fate: "dropped" }, joinBackends],
      moves: SOCKET_PER_FLOW
        ? { parse_short_header: 1, route_dropped_no_socket: 1, flow_socket_error: 1 }
        : {
            ...oneFlow(1),
            forward_calls: 1,
            forward_dropped_unreachable: 1,
          },
    },
    {
      name: "no route to the client any more",
      steps: [
        { send: shortOf("back"), family },
        cutClients,
        { answer: shortOf("back"), fate: "dropped" },
        joinClients,
        { answer: shortOf("back") },
      ],
      moves: {
        ...oneFlow(1),
        return_dropped_unreachable: 1,
        return_calls: 3,
      },
    },
    {
      name: "the address that the client had sent to is gone",
      steps: [
        { send: shortOf("alias"), to: alias, family },
        { act: takeAlias("del") },
        { answer: shortOf("alias"), fate: "dropped" },
        { act: takeAlias("add") },
        { answer: shortOf("alias") },
      ],
      moves: {
        ...oneFlow(1),
        // IPv4 finds no route from such an address, IPv6 says that the address is none of its own.
        [family === 4 ? "return_dropped_unreachable" : "return_dropped_error"]: 1,
        return_calls: 3,
      },
    },
  ];
  describeRows(
    suite(`${tag}, one backend`, () => ({ backends: [network.service({ family })], dataPlane: oneWorker })),
    rows,
  );

  describeRows(
    suite(`${tag}, a backend that refuses`, () => ({
      backends: [network.service({ family, port: BACKEND_PORT + 1 })],
      dataPlane: oneWorker,
    })),
    [
      {
        name: "each datagram is sent, each refusal is counted",
        steps: [1, 2, 3].map(() => ({ send: shortOf("refused"), family, fate: "sent" })),
        moves: {
          ...oneFlow(3),
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
          { send: shortOf("64 KiB", largestHere - 9), family },
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
