import type { QuicProxyNodeStatus } from "../../crds/status_schema.ts";
import { kernelDropsOf, sumDrops } from "../counters/drops.ts";
import { counterRate } from "../counters/rates.ts";
import type { CountersReport } from "../metrics/report.ts";

/** Why this node is not on the generation that was asked for: a word for programs, a text for people. */
export interface Problem {
  readonly reason: string;
  readonly message: string;
}

/** What the agent knows beside the counters. */
export interface AgentState {
  /** spec.generation in force; 0: none. */
  readonly appliedGeneration: number;
  readonly source: "ApiServer" | "LastGood" | undefined;
  readonly problem: Problem | undefined;
}

export interface StatusInput {
  readonly state: AgentState;
  readonly version: string;
  /** Undefined while nothing runs. */
  readonly report: CountersReport | undefined;
  /** An earlier report of the same run, for rates. */
  readonly previous: CountersReport | undefined;
}

/** What a node says about itself. Pure; measured numbers have two significant digits, so that noise is no change. */
export function nodeStatus({ state, version, report, previous }: StatusInput): QuicProxyNodeStatus {
  const { appliedGeneration, source, problem } = state;
  const ready = report?.ready === true;
  const notReady = report === undefined || ready ? undefined : { reason: "NotReady", message: report.notReadyReason };
  return {
    appliedGeneration,
    ready,
    ...(problem ?? notReady),
    ...(source === undefined ? {} : { source }),
    version,
    ...(report === undefined ? {} : { ...levelsOf(report), rates: ratesOf(report, previous) }),
  };
}

function levelsOf({ status, endpoints }: CountersReport): QuicProxyNodeStatus {
  const listening = endpoints.filter(({ skipped }) => skipped === undefined);
  const worst = listening.reduce<(typeof listening)[number] | undefined>((least, endpoint) => {
    return least === undefined || endpoint.receiveBufferEffective < least.receiveBufferEffective ? endpoint : least;
  }, undefined);
  return {
    workers: status.workers,
    upstreamLevel: status.upstreamLevel,
    ...(status.upstreamReason === undefined ? {} : { upstreamReason: status.upstreamReason.slice(0, 256) }),
    steeringLevel: status.steering,
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
  const rate = (of: (report: CountersReport) => number): number =>
    counterRate(previous === undefined ? 0 : of(previous), of(report), elapsedMs);
  return {
    receivedPerSecond: rounded(rate(({ totals }) => totals.receive_datagrams)),
    forwardedPerSecond: rounded(rate(({ totals }) => totals.forward_sent)),
    returnedPerSecond: rounded(rate(({ totals }) => totals.return_sent)),
    // One lost datagram in a minute is not none.
    droppedPerSecond: rounded(Math.ceil(rate(dropsOf))),
    droppedTotal: dropsOf(report),
    flows: rounded(report.workers.reduce((sum, { gauges }) => sum + gauges.flows, 0)),
  };
}

function dropsOf(report: CountersReport): number {
  return kernelDropsOf(report) + sumDrops(report.totals);
}

function rounded(value: number): number {
  return Math.round(Number(value.toPrecision(2)));
}
