import { afterAll, beforeAll } from "vitest";
import type { Row, Step } from "./counter_rows.ts";
import { describeRows as describeSuite } from "./counter_suite.ts";
import { edgeAliases, Network } from "./network.ts";
import {
  longHeader,
  octets,
  QUIC_V1,
  QUIC_V2,
  RETRY_FIRST_OCTET,
  shortHeader,
  truncations,
  VERSION_NEGOTIATION,
} from "./packets.ts";
import type { ManifestOptions } from "./proxy.ts";

/*
 * What one datagram after the other does to the counters. The proxy is the real program in a namespace between a client
 * and a backend; every counter that a row does not name must stay where it is.
 */

let network: Network;

beforeAll(async () => {
  network = new Network();
  for (const family of [4, 6] as const) await network.openService({ family });
});

afterAll(() => network.remove());

const bothBackends = (): ManifestOptions["backends"] => ([4, 6] as const).map((family) => network.service({ family }));

function describeRows(name: string, options: () => ManifestOptions, rows: readonly Row[]): void {
  describeSuite({ name, network: () => network, options }, rows);
}

const oneWorker = { workers: { max: 1 } };

/** A long header whose IDs are named by seeds. */
const long = (dcid: string, scid: string, more: object = {}): Buffer =>
  longHeader({ dcid: octets(8, dcid), scid: octets(8, scid), ...more });

const serverLong = (scid: Uint8Array, more: object = {}): Buffer => longHeader({ dcid: octets(8, "c"), scid, ...more });

/** The first datagram of a connection and its answer. Once the client uses that ID, it has shown that it receives. */
const handshake = (seed: string, serverId: Uint8Array, family: 4 | 6 = 4): Step[] => [
  { send: long(`${seed} random`, `${seed} client`), family },
  { answer: serverLong(serverId) },
];
const handshakeMoves = { parse_long_header: 1, route_fallback: 1, flow_created: 1, cid_learned: 1 };

function parseRows(family: 4 | 6): Row[] {
  const tag = `IPv${family}`;
  const initial = long(`${tag} truncated`, `${tag} truncated client`, { payloadBytes: 0 });
  const short = shortHeader(octets(20, `${tag} short truncated`));
  return [
    {
      name: `${tag}: empty`,
      steps: [{ send: Buffer.alloc(0), family }],
      moves: { parse_empty: 1, route_fallback: 1, flow_created: 1 },
    },
    {
      name: `${tag}: a short header, twice`,
      steps: [1, 2].map(() => ({ send: shortHeader(octets(8, `${tag} unknown`)), family })),
      moves: { parse_short_header: 2, route_fallback: 1, route_four_tuple: 1, flow_created: 1 },
    },
    {
      name: `${tag}: a long header, twice`,
      steps: [1, 2].map(() => ({ send: long(`${tag} d`, `${tag} s`), family })),
      moves: { parse_long_header: 2, route_fallback: 1, route_four_tuple_scid: 1, flow_created: 1 },
    },
    {
      name: `${tag}: a long header with empty Connection IDs, twice`,
      steps: [1, 2].map(() => ({ send: longHeader(), family })),
      moves: { parse_long_header: 2, route_fallback: 1, route_four_tuple_scid: 1, flow_created: 1 },
    },
    {
      name: `${tag}: every truncation of a long header, then the whole`,
      steps: [...truncations(initial), initial].map((send) => ({ send, family })),
      moves: {
        parse_empty: 1,
        parse_malformed: initial.length - 1,
        parse_long_header: 1,
        route_fallback: 1,
        route_four_tuple: initial.length,
        flow_created: 1,
      },
    },
    {
      name: `${tag}: every truncation of a short header, then the whole`,
      steps: [...truncations(short), short].map((send) => ({ send, family })),
      moves: {
        parse_empty: 1,
        parse_short_header: short.length,
        route_fallback: 1,
        route_four_tuple: short.length,
        flow_created: 1,
      },
    },
  ];
}

const idLengths = Array.from({ length: 256 }, (_, length) => length);
const lengthPair = (length: number, seed: string): Buffer =>
  longHeader({ dcid: octets(length, `${seed} d${length}`), scid: octets(255 - length, `${seed} s${length}`) });

const versions = [QUIC_V1, QUIC_V2, VERSION_NEGOTIATION, 0xffffffff, 0x0a1a2a3a, 0xff00001d, 0x51303530];
const shortFirstOctets = [0x00, 0x3f, 0x40, 0x7f];
const longFirstOctets = [0x80, 0xbf, 0xff];

const oddRows: Row[] = [
  {
    name: "Connection IDs of 0 to 255 octets from one client",
    steps: idLengths.map((length) => ({ send: lengthPair(length, "one client") })),
    moves: { parse_long_header: 256, route_fallback: 1, route_four_tuple: 255, flow_created: 1 },
  },
  {
    name: "Connection IDs of 0 to 255 octets from as many clients",
    steps: idLengths.map((length) => ({ send: lengthPair(length, "many"), from: String(length) })),
    moves: { parse_long_header: 256, route_fallback: 256, flow_created: 256 },
  },
  {
    name: "a Connection ID said to be longer than the datagram",
    steps: [{ send: Buffer.of(0xc0, 0, 0, 0, 1, 255, 1, 2, 3) }, { send: Buffer.of(0xc0, 0, 0, 0, 1, 0, 255, 1) }],
    moves: { parse_malformed: 2, route_fallback: 1, route_four_tuple: 1, flow_created: 1 },
  },
  {
    name: "known, unknown and no versions",
    steps: versions.map((version) => ({ send: long("versions", `version ${version}`, { version }) })),
    moves: {
      parse_long_header: versions.length,
      route_fallback: 1,
      route_four_tuple: versions.length - 1,
      flow_created: 1,
    },
  },
  {
    name: "first octets: only the form bit counts",
    steps: [
      ...shortFirstOctets.map((first) => ({ send: shortHeader(octets(8, "octet"), { first }) })),
      ...longFirstOctets.map((first) => ({ send: long(`octet ${first}`, `octet ${first}`, { first }) })),
    ],
    moves: {
      parse_short_header: shortFirstOctets.length,
      parse_long_header: longFirstOctets.length,
      route_fallback: 1,
      route_four_tuple: shortFirstOctets.length + longFirstOctets.length - 1,
      flow_created: 1,
    },
  },
  {
    name: "no QUIC at all",
    steps: ["GET / HTTP/1.1\r\n\r\n", "\0", "\xff\xff\xff\xff"].map((text) => ({ send: Buffer.from(text, "latin1") })),
    moves: {
      parse_short_header: 2,
      parse_malformed: 1,
      route_fallback: 1,
      route_four_tuple: 2,
      flow_created: 1,
    },
  },
];

function routeRows(family: 4 | 6): Row[] {
  const tag = `IPv${family} route`;
  const serverId = octets(8, `${tag} server`);
  return [
    {
      name: `IPv${family}: a learned Connection ID from the same, another port and another address`,
      steps: [
        ...handshake(tag, serverId, family),
        { send: shortHeader(serverId), family },
        { answer: shortHeader(octets(8, "client")) },
        { send: shortHeader(serverId), from: "other port", family },
        { answer: shortHeader(octets(8, "client")), toward: "other port" },
        {
          send: shortHeader(serverId),
          from: "other address",
          fromAddress: family === 4 ? "10.79.1.3" : "fd79:1::3",
          family,
        },
        { answer: shortHeader(octets(8, "client")), toward: "other address" },
        { send: shortHeader(serverId), family },
      ],
      moves: {
        ...handshakeMoves,
        parse_short_header: 4,
        route_dcid: 4,
        flow_created: 3,
        flow_readdressed: 2,
        flow_confirmed: 1,
      },
    },
    {
      name: `IPv${family}: each local address answers for itself`,
      steps: edgeAliases[family].flatMap((to, index): Step[] => [
        { send: shortHeader(octets(8, `alias ${index}`)), to, family },
        { answer: shortHeader(octets(8, "client")) },
        { send: shortHeader(octets(8, `alias ${index}`)), to, family },
        { answer: serverLong(octets(8, `${tag} alias ${index}`)) },
      ]),
      moves: {
        parse_short_header: 4,
        route_fallback: 2,
        route_four_tuple: 2,
        flow_created: 2,
        cid_learned: 2,
      },
    },
  ];
}

const learningRows: Row[] = [
  {
    name: "an ID that a client made up names nobody",
    steps: [{ send: long("claimed", "one") }, { send: long("claimed", "two"), from: "b" }],
    moves: {
      parse_long_header: 2,
      route_fallback: 2,
      flow_created: 2,
    },
  },
  {
    name: "a Retry's ID is learned, a repeated one only once",
    steps: [
      { send: long("retry", "retry client") },
      { answer: serverLong(octets(8, "retry server"), { first: RETRY_FIRST_OCTET }) },
      { answer: serverLong(octets(8, "retry server"), { first: RETRY_FIRST_OCTET }) },
      { send: longHeader({ dcid: octets(8, "retry server"), scid: octets(8, "retry client 2") }) },
    ],
    moves: { ...handshakeMoves, parse_long_header: 2, route_dcid: 1, flow_confirmed: 1 },
  },
  {
    name: "an ID of a Version Negotiation is not learned",
    steps: [
      { send: long("vn", "vn client") },
      { answer: serverLong(octets(8, "vn echo"), { version: VERSION_NEGOTIATION }) },
      { send: shortHeader(octets(8, "vn echo")), from: "b" },
    ],
    moves: { parse_long_header: 1, parse_short_header: 1, route_fallback: 2, flow_created: 2 },
  },
  {
    name: "what teaches nothing is returned all the same",
    steps: [
      { send: long("nothing", "nothing client") },
      ...[
        Buffer.alloc(0),
        shortHeader(octets(8, "nothing")),
        serverLong(new Uint8Array(0)),
        serverLong(octets(21, "too long")),
        serverLong(octets(255, "much too long")),
        serverLong(octets(8, "cut")).subarray(0, 20),
      ].map((answer) => ({ answer })),
    ],
    moves: { parse_long_header: 1, route_fallback: 1, flow_created: 1 },
  },
  {
    name: "a client that no backend answered claims no ID",
    steps: Array.from({ length: 20 }, (_, index) => ({ send: long(`unproved ${index}`, `unproved client ${index}`) })),
    moves: { parse_long_header: 20, route_fallback: 1, route_four_tuple: 19, flow_created: 1 },
  },
  {
    name: "further IDs of a confirmed client are claimed, the latest four stay",
    steps: [
      ...handshake("proved", octets(8, "proved server")),
      { send: shortHeader(octets(8, "proved server")) },
      ...Array.from({ length: 20 }, (_, index) => ({ send: shortHeader(octets(8, `proved ${index}`)) })),
      { send: shortHeader(octets(8, "proved 19")), from: "b" },
      { send: shortHeader(octets(8, "proved 16")), from: "c" },
      { send: shortHeader(octets(8, "proved 15")), from: "d" },
    ],
    moves: {
      ...handshakeMoves,
      parse_short_header: 24,
      route_dcid: 3,
      route_four_tuple: 20,
      route_fallback: 2,
      flow_created: 4,
      flow_readdressed: 2,
      flow_confirmed: 1,
      cid_claimed: 20,
    },
  },
];

describeRows("one worker, two backends", () => ({ backends: bothBackends(), dataPlane: oneWorker }), [
  ...parseRows(4),
  ...parseRows(6),
  ...oddRows,
  ...routeRows(4),
  ...routeRows(6),
  ...learningRows,
]);

const configured = octets(8, "configured length");
describeRows(
  "routing.connectionIdLength 8",
  () => ({ backends: bothBackends(), routing: { connectionIdLength: 8 }, dataPlane: oneWorker }),
  [
    {
      name: "the ID of a first short header names nobody",
      steps: [{ send: shortHeader(configured) }, { send: shortHeader(configured), from: "b" }],
      moves: {
        parse_short_header: 2,
        route_fallback: 2,
        flow_created: 2,
      },
    },
    {
      name: "a short header without room for an ID claims nothing",
      steps: [8, 1].map((length) => ({ send: shortHeader(octets(length - 1, "cut"), { payloadBytes: 0 }) })),
      moves: { parse_short_header: 2, route_fallback: 1, route_four_tuple: 1, flow_created: 1 },
    },
    {
      name: "an ID of another length is learned but not looked for in short headers",
      steps: [
        ...handshake("other length", octets(12, "other length")),
        { send: shortHeader(octets(12, "other length")), from: "b" },
      ],
      moves: { ...handshakeMoves, parse_short_header: 1, route_fallback: 2, flow_created: 2 },
    },
  ],
);

const lengthOf = (length: number): Buffer => octets(length, `length ${length}`);
describeRows("lengths of Connection IDs", () => ({ backends: bothBackends(), dataPlane: oneWorker }), [
  {
    name: "lengths from four octets on are learned and looked for in short headers",
    steps: [
      { send: long("lengths", "lengths") },
      ...[8, 4, 20, 1, 13].map((length) => ({ answer: serverLong(lengthOf(length)) })),
      ...[8, 4, 20, 1, 13].map((length) => ({ send: shortHeader(lengthOf(length)), from: `short ${length}` })),
      { send: longHeader({ dcid: lengthOf(13), scid: octets(8, "fifth") }), from: "long 13" },
    ],
    moves: {
      parse_long_header: 2,
      parse_short_header: 5,
      route_fallback: 2,
      route_dcid: 5,
      flow_created: 7,
      flow_readdressed: 5,
      cid_learned: 4,
    },
  },
]);

describeRows("Baseline", () => ({ backends: bothBackends(), dataPlane: { mode: "Baseline" } }), [
  {
    name: "every datagram goes by the hash, whatever is known",
    steps: [
      { send: long("baseline", "baseline client") },
      { answer: serverLong(octets(8, "baseline server")) },
      ...[1, 2, 3].map(() => ({ send: long("baseline", "baseline client") })),
      { send: long("baseline", "baseline client"), from: "b" },
      { send: Buffer.alloc(0), from: "c" },
    ],
    moves: {
      parse_long_header: 5,
      parse_empty: 1,
      route_fallback: 6,
      flow_created: 3,
      cid_learned: 1,
    },
  },
]);

describeRows(
  "Decoupled",
  () => ({ backends: bothBackends(), dataPlane: { ...oneWorker, mode: "Decoupled" } }),
  [4, 6].flatMap((family) => parseRows(family as 4 | 6)),
);

describeRows("no backend", () => ({ backends: [], dataPlane: oneWorker }), [
  {
    name: "every datagram is counted as such",
    steps: [
      { send: long("none", "none"), fate: "dropped" },
      { send: shortHeader(octets(8, "none")), from: "six", family: 6, fate: "dropped" },
      { send: Buffer.alloc(0), fate: "dropped" },
    ],
    moves: { parse_long_header: 1, parse_short_header: 1, parse_empty: 1, route_dropped_no_backend: 3 },
  },
]);
