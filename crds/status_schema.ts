import { z } from "zod";
import { choice, integer, list, mapping } from "./fields.ts";

/*
 * The statuses of both kinds: what the operator says about a QuicProxy and what a node says about itself. Nobody writes
 * them by hand, so texts are bounded but not patterned.
 */

const SAFE = Number.MAX_SAFE_INTEGER;

function words(maxLength: number) {
  return z.string().max(maxLength);
}

function count() {
  return integer(0, SAFE);
}

/** Conditions a QuicProxy can have, in the order in which they come true. */
export const CONDITION_TYPES = ["Accepted", "Programmed", "Ready", "Degraded"] as const;
export type ConditionType = (typeof CONDITION_TYPES)[number];

export const CONDITION_MESSAGE_MAX = 4096;

const condition = mapping({
  type: words(64).describe("Accepted, Programmed, Ready or Degraded."),
  status: choice(["True", "False", "Unknown"]).describe("Whether it holds."),
  reason: words(128).describe("Why, as one word for programs."),
  message: words(CONDITION_MESSAGE_MAX).describe("Why, for people, with what to do about it."),
  observedGeneration: count().optional().describe("Generation of the spec that this is about."),
  lastTransitionTime: words(32).meta({ format: "date-time" }).describe("When the status last changed."),
});

const nodeCounts = mapping({
  desired: integer(0, 5000).describe("Nodes that should run the proxy."),
  programmed: integer(0, 5000).describe("Nodes that have the present configuration in force."),
  ready: integer(0, 5000).describe("Nodes that are ready for traffic."),
  summary: words(16).describe("ready/desired, for the printer column."),
});

const backendCounts = mapping({
  serving: integer(0, 16_384).describe("Backends that get new flows."),
  draining: integer(0, 16_384).describe("Backends that keep their flows and get no new one."),
  healthy: integer(0, 16_384)
    .optional()
    .describe("Backends that are well, as the node that sees fewest of them says; absent where nothing is checked."),
  summary: words(16).optional().describe("healthy/serving, for the printer column."),
});

export const quicProxyStatusShape = mapping({
  observedGeneration: count().optional().describe("Generation of the spec that this status is about."),
  conditions: list(condition, 0, 16, "conditions")
    .optional()
    .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] })
    .describe("Accepted: the spec can be run. Programmed: every node runs it. Ready: every node takes traffic."),
  className: words(63).optional().describe("Name of the QuicProxyClass by which what runs was allowed."),
  nodes: nodeCounts.optional().describe("How many nodes."),
  backends: backendCounts.optional().describe("How many backends the nodes were told."),
  workers: integer(0, 320_000).optional().describe("Forwarding threads of all nodes together."),
  dropsPerSecond: count().optional().describe("Datagrams lost per second on all nodes together."),
  unansweredPerSecond: count()
    .optional()
    .describe("New flows per second on which nothing came back, on all nodes together."),
  datagramsPerSecond: count().optional().describe("Datagrams received from clients per second on all nodes together."),
  flows: count().optional().describe("Flows that all nodes together remember."),
  levels: list(words(64), 0, 16, "levels")
    .optional()
    .meta({ "x-kubernetes-list-type": "set" })
    .describe("The ways of forwarding in use, over all nodes; more than one: the nodes differ."),
  selector: words(256).optional().describe("Label selector of the proxy's pods, for the scale subresource."),
});

const load = mapping({
  worker: integer(0, 63).describe("Its number."),
  busyPercent: integer(0, 100).describe("Share of the time that it worked and did not wait for datagrams."),
  loadPercent: integer(0, 100_000).describe(
    "Arrival rate divided by service rate (rho). 100 or more: it does not keep up, and what comes beyond is lost in time.",
  ),
  serviceRatePerSecond: count().optional().describe("Datagrams that one second of its work is enough for."),
  serviceP50Ns: count().optional().describe("Half of its datagrams take it no longer than that."),
  serviceP99Ns: count().optional().describe("99 in 100 of its datagrams take it no longer than that."),
  overflowMs: count()
    .optional()
    .describe(
      "How long its socket buffer has room for what comes beyond what it takes. 0: it overflows. Absent: it keeps up.",
    ),
});

const rates = mapping({
  receivedPerSecond: count().describe("Datagrams from clients per second, two significant digits."),
  forwardedPerSecond: count().describe("Datagrams to backends per second, two significant digits."),
  returnedPerSecond: count().describe("Datagrams back to clients per second, two significant digits."),
  droppedPerSecond: count().describe("Datagrams lost per second, in the kernel's socket buffers too."),
  droppedTotal: count().describe("Datagrams lost since the proxy started."),
  unansweredPerSecond: count()
    .optional()
    .describe("New flows per second on which nothing came back, two significant digits."),
  flows: count().describe("Flows that this node remembers, two significant digits."),
  load: load
    .optional()
    .describe("The packet thread with the highest load, over the last interval; two significant digits."),
});

const receiveBuffer = mapping({
  askedBytes: count().describe("What the spec asks for."),
  effectiveBytes: count().describe("What the kernel granted: the smallest of all sockets."),
});

const backendHealth = mapping({
  healthy: integer(0, 16_384).describe("Backends that are well, or of which nothing is known yet."),
  onTrial: integer(0, 16_384).describe("Backends that are tried again with a sixteenth of their weight."),
  unhealthy: integer(0, 16_384).describe("Backends that get no new flow, unless too few are well."),
  reasons: list(words(256), 0, 8, "texts").optional().describe("Why, of some that are not well."),
});

/** What the operator says of a node whose proxy is silent. */
export const UNKNOWN = "Unknown";

export const quicProxyNodeStatusShape = mapping({
  appliedGeneration: count().optional().describe("spec.generation of the configuration in force. 0: none."),
  appliedBackends: count().optional().describe("Generation of the backends in force. 0: none."),
  refusedGeneration: count()
    .optional()
    .describe("spec.generation of a configuration that cannot be had now, for the reason below."),
  backendsLeftOut: list(words(256), 0, 8, "texts")
    .optional()
    .describe("Backends that this node cannot use, though others may: which and why."),
  ready: z.boolean().optional().describe("Whether this node said that it is ready for traffic, when it last reported."),
  readiness: choice(["True", "False", UNKNOWN])
    .optional()
    .describe("Whether this node is ready for traffic. Unknown, says the operator: it has not reported for too long."),
  reportedAt: words(32)
    .meta({ format: "date-time" })
    .optional()
    .describe("When the proxy last reported, by the clock of its node; at least every 70 seconds while it can."),
  reason: words(128).optional().describe("Why it is not ready, or not on the present generation; as one word."),
  message: words(CONDITION_MESSAGE_MAX).optional().describe("The same for people, with what to do about it."),
  source: choice(["ApiServer", "LastGood"])
    .optional()
    .describe("Where the configuration in force came from: the API server, or the copy kept on the node."),
  version: words(64).optional().describe("Version of the proxy."),
  workers: integer(0, 64).optional().describe("Forwarding threads."),
  upstreamLevel: words(64).optional().describe("How datagrams reach backends: the level in use."),
  upstreamReason: words(256).optional().describe("Why datagrams do not reach backends by the level above."),
  metricsReason: words(256).optional().describe("Why metrics are not served where the spec asks for them."),
  steeringLevel: words(64).optional().describe("How datagrams are spread over workers: the level in use."),
  steeringReason: words(256).optional().describe("Why they are not spread by the level above."),
  flowCapacity: count().optional().describe("Flows that fit into the tables."),
  upstreamSocketMax: count().optional().describe("Most sockets toward backends."),
  receiveBuffer: receiveBuffer.optional().describe("Receive buffer of the listening sockets."),
  backendHealth: backendHealth
    .optional()
    .describe("How this node finds the backends; absent where nothing is checked."),
  rates: rates.optional().describe("Counters, as rates of the last interval."),
});

export type Condition = z.output<typeof condition>;
export type QuicProxyStatus = z.output<typeof quicProxyStatusShape>;
export type QuicProxyNodeStatus = z.output<typeof quicProxyNodeStatusShape>;
