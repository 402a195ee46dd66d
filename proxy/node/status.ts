import type { QuicProxyNodeStatus } from "../../crds/status_schema.ts";
import { isNativeError } from "../apply/errors.ts";
import { kernelDropsOf, sumDrops } from "../counters/drops.ts";
import { counterDelta, counterRate } from "../counters/rates.ts";
import type { CountersReport } from "../metrics/report.ts";
import { areAllDown, backendHealthOf, downText, SHOWN_MAX, TEXT_MAX } from "./backend_health.ts";
import { nodeLoad } from "./load.ts";

/** Why this node is not on the generation that was asked for: a word for programs, a text for people. */
export interface Problem {
  readonly reason: string;
  readonly message: string;
  /** spec.generation of the settings that it is about. */
  readonly generation?: number;
}

/** What the agent knows beside the counters. */
export interface AgentState {
  /** spec.generation in force; 0: none. */
  readonly appliedGeneration: number;
  /** Generation of the backends in force; 0: none. */
  readonly appliedBackends: number;
  /** Backends that this host cannot use, and why. */
  readonly leftOut: readonly string[];
  readonly source: "ApiServer" | "LastGood" | undefined;
  readonly problem: Problem | undefined;
  /** Whether it only says that it is not ready, because its pod is to be replaced. */
  readonly drained: boolean;
}

/** A Secret that is missing may come, so this is tried again. */
export class KeysMissing extends Error {
  override readonly name = "KeysMissing";
}

/** LISTEN_PORT_BUSY -> ListenPortBusy. */
export function problemOf(error: Error): Problem {
  const { message } = error;
  if (error instanceof KeysMissing) return { reason: error.name, message };
  const native = isNativeError(error) ? error : isNativeError(error.cause) ? error.cause : undefined;
  if (native === undefined) return { reason: "ApplyFailed", message };
  const words = native.code.split("_").map((word) => word[0] + word.slice(1).toLowerCase());
  return { reason: words.join(""), message };
}

export interface StatusInput {
  readonly state: AgentState;
  readonly version: string;
  /** Undefined while nothing runs. */
  readonly report: CountersReport | undefined;
  /** An earlier report of the same run, for rates. */
  readonly previous: CountersReport | undefined;
  /** To be told once more in place of those since `previous`. */
  readonly rates?: QuicProxyNodeStatus["rates"];
}

/** What a node says about itself. Pure; measured numbers have two significant digits, so that noise is no change. */
export function nodeStatus({ state, version, report, previous, rates }: StatusInput): QuicProxyNodeStatus {
  const { appliedGeneration, appliedBackends, leftOut, source, problem } = state;
  const ready = report?.ready === true;
  const refusedGeneration = problem?.generation;
  return {
    appliedGeneration,
    appliedBackends,
    ...(leftOut.length === 0 ? {} : { backendsLeftOut: shortened(leftOut) }),
    ready,
    readiness: ready && !areAllDown(report) ? "True" : "False",
    ...reasonOf(state, report),
    ...(refusedGeneration === undefined ? {} : { refusedGeneration }),
    ...(source === undefined ? {} : { source }),
    version,
    ...(report === undefined
      ? {}
      : { ...levelsOf(report), ...backendHealthOf(report), rates: rates ?? ratesOf(report, previous) }),
  };
}

/** Said in words of its own, for the operator may have written others here while nothing came from this node. */
const NO_TROUBLE = { reason: "", message: "" };

/** Why it is not ready, or not on the present generation. */
function reasonOf({ drained, problem }: AgentState, report: CountersReport | undefined): Omit<Problem, "generation"> {
  const message = report?.notReadyReason;
  // What keeps a drained node from the present settings is most often that it needs the restart which it is drained for.
  if (drained && message !== undefined) return { reason: "Draining", message };
  if (problem !== undefined) return { reason: problem.reason, message: problem.message };
  return troubleOf(report) ?? NO_TROUBLE;
}

function troubleOf(report: CountersReport | undefined): Problem | undefined {
  if (report === undefined) return undefined;
  if (!report.ready) return { reason: "NotReady", message: report.notReadyReason };
  return areAllDown(report) ? { reason: "BackendsDown", message: downText(report) } : undefined;
}

function shortened(texts: readonly string[]): string[] {
  const shown = texts.slice(0, texts.length > SHOWN_MAX ? SHOWN_MAX - 1 : SHOWN_MAX);
  const more = texts.length > shown.length ? [`and ${texts.length - shown.length} more`] : [];
  return [...shown.map((text) => text.slice(0, TEXT_MAX)), ...more];
}

function levelsOf({ status, endpoints, metricsProblem }: CountersReport): QuicProxyNodeStatus {
  const listening = endpoints.filter(({ skipped }) => skipped === undefined);
  const worst = listening.reduce<(typeof listening)[number] | undefined>((least, endpoint) => {
    return least === undefined || endpoint.receiveBufferEffective < least.receiveBufferEffective ? endpoint : least;
  }, undefined);
  return {
    workers: status.workers,
    upstreamLevel: status.upstreamLevel,
    ...(status.upstreamReason === undefined ? {} : { upstreamReason: status.upstreamReason.slice(0, TEXT_MAX) }),
    ...(metricsProblem === undefined ? {} : { metricsReason: metricsProblem.slice(0, TEXT_MAX) }),
    steeringLevel: status.steering,
    ...(status.steeringReason === undefined ? {} : { steeringReason: status.steeringReason.slice(0, TEXT_MAX) }),
    flowCapacity: status.flowCapacity,
    upstreamSocketMax: status.upstreamSocketMax,
    ...(worst === undefined
      ? {}
      : { receiveBuffer: { askedBytes: worst.receiveBufferAsked, effectiveBytes: worst.receiveBufferEffective } }),
  };
}

function ratesOf(
  report: CountersReport,
  previous: CountersReport | undefined,
): NonNullable<QuicProxyNodeStatus["rates"]> {
  const elapsedMs = report.uptimeMs - (previous?.uptimeMs ?? 0);
  const load = nodeLoad(previous, report);
  const rate = (of: (report: CountersReport) => number): number =>
    counterRate(previous === undefined ? 0 : of(previous), of(report), elapsedMs);
  return {
    receivedPerSecond: rounded(rate(({ totals }) => totals.receive_datagrams)),
    forwardedPerSecond: rounded(rate(({ totals }) => totals.forward_sent)),
    returnedPerSecond: rounded(rate(({ totals }) => totals.return_sent)),
    // One lost datagram in a minute is not none.
    droppedPerSecond: rounded(Math.ceil(rate(dropsOf))),
    droppedTotal: dropsOf(report),
    unansweredPerSecond: rounded(unansweredOf(report, previous) / Math.max(1, elapsedMs / 1000)),
    flows: rounded(report.workers.reduce((sum, { gauges }) => sum + gauges.flows, 0)),
    ...(load === undefined ? {} : { load }),
  };
}

/** Flows that have begun since then, less those that were first answered since then; a backend that left counts as none. */
function unansweredOf(report: CountersReport, previous: CountersReport | undefined): number {
  const before = new Map(previous?.backends.map((backend) => [`${backend.address} ${backend.port}`, backend]));
  let unanswered = 0;
  for (const { address, port, flowsCreated, flowsAnswered } of report.backends) {
    const { flowsCreated: created = 0, flowsAnswered: answered = 0 } = before.get(`${address} ${port}`) ?? {};
    unanswered += counterDelta(created, flowsCreated) - counterDelta(answered, flowsAnswered);
  }
  return Math.max(0, unanswered);
}

function dropsOf(report: CountersReport): number {
  return kernelDropsOf(report) + sumDrops(report.totals);
}

function rounded(value: number): number {
  return Math.round(Number(value.toPrecision(2)));
}
