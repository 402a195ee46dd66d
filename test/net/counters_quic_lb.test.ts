import { afterAll, beforeAll } from "vitest";
import type { Row } from "./counter_rows.ts";
import { describeRows } from "./counter_suite.ts";
import { Network } from "./network.ts";
import { longHeader, octets, shortHeader } from "./packets.ts";
import { BACKEND_PORT, type ManifestOptions } from "./proxy.ts";

/* C2: what QUIC-LB makes of each kind of Connection ID. Every counter that a row does not name must stay where it is. */

const OTHER_PORT = BACKEND_PORT + 1;
const SERVER_IDS = ["c4605e", "c4605f"] as const;

let network: Network;

beforeAll(async () => {
  network = new Network();
  for (const port of [BACKEND_PORT, OTHER_PORT]) await network.openService({ port });
});
afterAll(() => network.remove());

/** In plain text: config 0 has server IDs of 3 octets and nonces of 4, config 2 has no server. */
function options(): ManifestOptions {
  return {
    backends: [BACKEND_PORT, OTHER_PORT].map((port, index) => ({
      ...network.service({ port }),
      serverId: SERVER_IDS[index]!,
    })),
    routing: {
      quicLB: [
        { rotation: 0, serverIdLength: 3, nonceLength: 4 },
        { rotation: 2, serverIdLength: 8, nonceLength: 8 },
      ],
    },
    dataPlane: { workers: { max: 1 } },
  };
}

const cid = (serverId: string, nonce: string, first = "07"): Buffer =>
  Buffer.concat([Buffer.from(first + serverId, "hex"), octets(4, nonce)]);

const firstFlight = { parse_long_header: 1, route_fallback: 1, flow_created: 1 };
const fallbackOfShort = { parse_short_header: 1, route_fallback: 1, flow_created: 1 };
const long = (dcid: Uint8Array, seed: string): Buffer => longHeader({ dcid, scid: octets(8, seed) });

const rows: readonly Row[] = [
  {
    name: "a short header with a routable ID, twice: one path that somebody moved to",
    steps: [1, 2].map(() => ({ send: shortHeader(cid(SERVER_IDS[0], "short")) })),
    moves: { parse_short_header: 2, route_quic_lb: 2, flow_created: 1, flow_readdressed: 1 },
  },
  {
    name: "a long header with a routable ID that is longer than needed",
    steps: [{ send: long(Buffer.concat([cid(SERVER_IDS[1], "long"), octets(3, "own use")]), "long") }],
    moves: { parse_long_header: 1, route_quic_lb: 1, flow_created: 1 },
  },
  {
    name: "a routable ID from another address is another such path",
    steps: [
      { send: shortHeader(cid(SERVER_IDS[1], "moves")), from: "first" },
      { send: shortHeader(cid(SERVER_IDS[1], "moves")), from: "second" },
    ],
    moves: { parse_short_header: 2, route_quic_lb: 2, flow_created: 2, flow_readdressed: 2 },
  },
  {
    name: "rotation bits of no config",
    steps: [{ send: long(cid(SERVER_IDS[0], "none", "67"), "none") }],
    moves: { ...firstFlight, cid_no_config: 1 },
  },
  {
    name: "rotation bits of no config in a short header",
    steps: [{ send: shortHeader(cid(SERVER_IDS[0], "none short", "67")) }],
    moves: { ...fallbackOfShort, cid_no_config: 1 },
  },
  {
    name: "rotation 7, which is never routable",
    steps: [{ send: long(octets(8, "seven").fill(0xe7, 0, 1), "seven") }],
    moves: { ...firstFlight, cid_no_config: 1 },
  },
  {
    name: "one octet shorter than the config needs",
    steps: [{ send: long(cid(SERVER_IDS[0], "cut").subarray(0, 7), "cut") }],
    moves: { ...firstFlight, cid_too_short: 1 },
  },
  {
    name: "no destination ID at all",
    steps: [{ send: long(Buffer.alloc(0), "empty") }],
    moves: { parse_long_header: 1, route_fallback: 1, flow_created: 1, cid_too_short: 1 },
  },
  {
    name: "a server ID that no backend has",
    steps: [{ send: long(cid("c46060", "unknown"), "unknown") }],
    moves: { ...firstFlight, cid_unknown_server: 1 },
  },
  {
    name: "a config without servers",
    steps: [{ send: long(octets(17, "nobody").fill(0x51, 0, 1), "nobody") }],
    moves: { ...firstFlight, cid_unknown_server: 1 },
  },
  {
    name: "a known flow goes on under an ID that is not routable",
    steps: [{ send: shortHeader(cid(SERVER_IDS[0], "known")) }, { send: shortHeader(cid("c46060", "known unknown")) }],
    moves: {
      parse_short_header: 2,
      route_quic_lb: 1,
      route_four_tuple: 1,
      flow_created: 1,
      flow_readdressed: 1,
      cid_unknown_server: 1,
    },
  },
  {
    name: "neither malformed nor empty datagrams have an ID",
    steps: [{ send: Buffer.from("c000000001ff", "hex") }, { send: Buffer.alloc(0) }],
    moves: { parse_malformed: 1, parse_empty: 1, route_fallback: 1, route_four_tuple: 1, flow_created: 1 },
  },
];

describeRows({ name: "C2: with QUIC-LB", network: () => network, options }, rows);
