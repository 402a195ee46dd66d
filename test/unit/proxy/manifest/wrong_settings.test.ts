import { describe } from "vitest";
import { BACKENDS, dataPlane, LISTENERS, type Row, routing, spec, testRows } from "./manifests.ts";

const SETTING_ROWS: Row[] = [
  [
    "a mode whose workers are unknown",
    dataPlane("{ mode: Basline, upstreamSockets: 1 }"),
    ["spec.dataPlane.mode", "did you mean Baseline"],
  ],
  [
    "a fault that hides no default",
    dataPlane("{ mode: Basline, workers: { min: 9, max: 65 }, upstreamSockets: 1 }"),
    ["spec.dataPlane.mode", "did you mean Baseline"],
    ["spec.dataPlane.workers.max", "found 65"],
  ],
  [
    "a misspelled word",
    routing("{ fallback: fourtuple }"),
    ["spec.routing.fallback", '"fourtuple"', "FourTuple or ConnectionID", "did you mean FourTuple"],
  ],
  ["a word that is nothing", routing("{ fallback: RoundRobin }"), ["spec.routing.fallback", "did you mean undefined"]],
  [
    "ConnectionID without a length",
    routing("{ fallback: ConnectionID }"),
    ["spec.routing.connectionIdLength", "is missing", "1 to 20"],
  ],
  [
    "a Connection ID of 21 octets",
    routing("{ fallback: ConnectionID, connectionIdLength: 21 }"),
    ["spec.routing.connectionIdLength", "found 21"],
  ],
  [
    "a duration without unit",
    routing("{ idleTimeout: 120 }"),
    ["spec.routing.idleTimeout", "found 120", "such as 120s"],
  ],
  ["a duration of unknown unit", routing("{ idleTimeout: 2d }"), ["spec.routing.idleTimeout", '"2d"', "h, m, s, ms"]],
  ["too short a duration", routing("{ idleTimeout: 999ms }"), ["spec.routing.idleTimeout", "1s to 24h"]],
  ["too long a duration", routing("{ idleTimeout: 24h1ms }"), ["spec.routing.idleTimeout", "1s to 24h"]],
  [
    "QUIC-LB configs at odds",
    routing(
      "{ quicLB: [{ rotation: 1, serverIdLength: 15, nonceLength: 5 }, { rotation: 1, serverIdLength: 0, nonceLength: 3 }] }",
    ),
    ["spec.routing.quicLB[0]", "serverIdLength 15 + nonceLength 5 is 20", "at most 19"],
    ["spec.routing.quicLB[1].rotation", "already that of spec.routing.quicLB[0]"],
    ["spec.routing.quicLB[1].serverIdLength", "found 0"],
    ["spec.routing.quicLB[1].nonceLength", "found 3"],
  ],
  [
    "a server ID of another length than QUIC-LB's",
    spec(
      LISTENERS,
      'backends: { static: [{ address: 10.0.0.7, port: 1, serverId: "aabb" }] }',
      "routing: { quicLB: [{ rotation: 0, serverIdLength: 3, nonceLength: 4 }] }",
    ),
    ["spec.backends.static[0].serverId", '"aabb" has 2 octets', "3 octets"],
  ],
  [
    "a QUIC-LB key that is nowhere, or at two places",
    routing(
      "{ quicLB: [{ rotation: 0, serverIdLength: 8, nonceLength: 8, key: {} }, " +
        "{ rotation: 1, serverIdLength: 8, nonceLength: 8, key: { file: a.key, secretRef: { name: a } } }] }",
    ),
    ["spec.routing.quicLB[0].key", "names no key", "exactly one of secretRef and file"],
    ["spec.routing.quicLB[1].key", "has both secretRef and file", "exactly one"],
  ],
  [
    "QUIC-LB keys at places that cannot be",
    routing(
      "{ quicLB: [{ rotation: 7, serverIdLength: 8, nonceLength: 8, key: { secretRef: { name: ../up } } }, " +
        '{ rotation: 1, serverIdLength: 8, nonceLength: 8, key: { file: "" } }, ' +
        "{ rotation: 2, serverIdLength: 8, nonceLength: 8, key: { secretRef: { name: a, key: ..data } } }] }",
    ),
    ["spec.routing.quicLB[0].rotation", "found 7", "0 to 6"],
    ["spec.routing.quicLB[0].key.secretRef.name", '"../up"', "the name of a Secret"],
    ["spec.routing.quicLB[1].key.file", "path of a key file"],
    ["spec.routing.quicLB[2].key.secretRef.key", '"..data"', "the name of an entry of a Secret"],
  ],
  ["XDP", dataPlane("{ fastPath: XDP }"), ["spec.dataPlane.fastPath", "XDP is not available", "Auto or Disabled"]],
  ["AFXDP", dataPlane("{ fastPath: AFXDP }"), ["spec.dataPlane.fastPath", "AFXDP is not available"]],
  ["a fast path that is off", dataPlane("{ fastPath: off }"), ["spec.dataPlane.fastPath", "did you mean Disabled"]],
  [
    "a fast path that is false",
    dataPlane("{ fastPath: false }"),
    ["spec.dataPlane.fastPath", "found false", "did you mean Disabled"],
  ],
  [
    "more workers at least than at most",
    dataPlane("{ workers: { min: 4, max: 2 } }"),
    ["spec.dataPlane.workers", "min 4 is more than max 2"],
  ],
  [
    "more workers than the default allows",
    dataPlane("{ workers: { min: 9 } }"),
    ["spec.dataPlane.workers", "max 8 (its default)"],
  ],
  ["65 workers", dataPlane("{ workers: { max: 65 } }"), ["spec.dataPlane.workers.max", "found 65", "1 to 64"]],
  [
    "fewer upstream sockets than workers",
    dataPlane("{ upstreamSockets: 7 }"),
    ["spec.dataPlane.upstreamSockets", "7 is fewer than the 8 workers"],
  ],
  [
    "no whole block of upstream ports",
    dataPlane("{ upstreamPorts: { first: 20001, last: 20400 } }"),
    ["spec.dataPlane.upstreamPorts", "20001 to 20400 holds no whole block of 256 ports"],
  ],
  [
    "a size in decimal units",
    dataPlane("{ receiveBuffer: 8M }"),
    ["spec.dataPlane.receiveBuffer", '"8M"', "Ki, Mi or Gi"],
  ],
  [
    "a size without quotes",
    dataPlane("{ receiveBuffer: 65536 }"),
    ["spec.dataPlane.receiveBuffer", "found 65536", "in quotes"],
  ],
  ["too small a size", dataPlane('{ sendBuffer: "4095" }'), ["spec.dataPlane.sendBuffer", "4Ki to 1Gi"]],
  ["too large a size", dataPlane("{ receiveBuffer: 1025Mi }"), ["spec.dataPlane.receiveBuffer", "4Ki to 1Gi"]],
  ["a size with too many digits", dataPlane(`{ flowMemory: "${"9".repeat(30)}" }`), ["spec.dataPlane.flowMemory"]],
  ["an endless batch", dataPlane("{ batch: .inf }"), ["spec.dataPlane.batch", "found .inf", "1 to 1024"]],
  [
    "a metrics port too high",
    spec(LISTENERS, BACKENDS, "metrics: { port: 70000 }"),
    ["spec.metrics.port", "found 70000", "0 for no metrics"],
  ],
  [
    "fewer nodes at most than at least",
    spec(LISTENERS, BACKENDS, "autoscaling: { minNodes: 3, maxNodes: 2 }"),
    ["spec.autoscaling", "minNodes 3 is more than maxNodes 2"],
  ],
  [
    "a drop ratio above 1",
    spec(LISTENERS, BACKENDS, 'autoscaling: { maxNodes: 2, target: { dropRatio: "1.5" } }'),
    ["spec.autoscaling.target.dropRatio", '"1.5"', "0 to 1"],
  ],
];

describe("a manifest with a wrong setting", () => testRows(SETTING_ROWS));
