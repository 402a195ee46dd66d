import type { HealthConfig, PassiveConfig } from "./config.ts";
import { addFlows, answeredShare, countFlows, dueMs, type FlowCounts, isUnanswered, ofTheLiving } from "./silence.ts";
import type { BackendState, Observation, ProbeResult, Reason, Sample, Traffic } from "./state.ts";

/** What holds for the backends together. */
export interface Surroundings {
  readonly config: HealthConfig;
  /** Some backend has answered a probe: then one that does not is down. Before, it may be that none speaks QUIC. */
  readonly probesCount: boolean;
  /** Some backend has answered a flow that begins as QUIC does: then flows that do not tell nothing. */
  readonly speaksQuic: boolean;
  /** New flows of all backends that have answered within the window, until the look before. */
  readonly flows: FlowCounts;
}

export interface Transition {
  readonly to: "Healthy" | "Unhealthy";
  /** Undefined for Healthy. */
  readonly reason: Reason | undefined;
  /** The numbers behind it, as text. */
  readonly evidence: string;
}

export interface Decision {
  readonly state: BackendState;
  readonly transition: Transition | undefined;
}

/** What cannot be sent shows at once; looks may be late on a busy machine. */
const UNSENDABLE_WITHIN_MS = 3000;
const DOUBLINGS_MAX = 30;

/** One backend, one look. Pure: the same arguments give the same decision, and none is changed. */
export function decide(
  state: BackendState,
  observation: Observation,
  surroundings: Surroundings,
  nowMs: number,
): Decision {
  const seen = observe(state, observation, surroundings.config, nowMs);
  if (seen.reason === undefined) {
    const fault = findFault(seen, { ...surroundings, flows: flowsOfOthers(state, surroundings, nowMs) }, nowMs);
    return fault ? fail(seen, fault, surroundings.config, nowMs) : { state: seen, transition: undefined };
  }
  const recovery = findRecovery(seen, surroundings, nowMs);
  return recovery === undefined ? { state: seen, transition: undefined } : recover(seen, recovery, nowMs);
}

/** How long the `failures`-th time in a row lasts without a sign of life. */
export function backoffMs({ backoffMs, maxBackoffMs }: HealthConfig, failures: number): number {
  return Math.min(maxBackoffMs, backoffMs * 2 ** Math.min(failures - 1, DOUBLINGS_MAX));
}

/** How long it lasts at least, signs of life or not: who fails again and again must not flap. */
export function holdMs(config: HealthConfig, failures: number): number {
  return failures <= 1 ? 0 : backoffMs(config, failures) / 2;
}

function flowsOfOthers(state: BackendState, { config, flows }: Surroundings, nowMs: number): FlowCounts {
  if (config.passive === undefined) return flows;
  return addFlows(flows, ofTheLiving(countFlows(state.samples, dueMs(config.passive, nowMs))), -1);
}

function observe(state: BackendState, { probes, traffic }: Observation, config: HealthConfig, nowMs: number) {
  const counted = probes.reduce((before, result) => countProbe(before, result, nowMs), state);
  if (config.passive === undefined) return { ...counted, samples: [] };
  const oldestMs = nowMs - config.passive.windowMs;
  const samples = counted.samples.filter(({ atMs }) => atMs > oldestMs);
  return { ...counted, samples: hasContent(traffic) ? [...samples, { ...traffic, atMs: nowMs }] : samples };
}

function countProbe(state: BackendState, result: ProbeResult, nowMs: number): BackendState {
  return result === "Answered"
    ? { ...state, probesAnswered: state.probesAnswered + 1, probesUnanswered: 0, lastAnswerAtMs: nowMs }
    : { ...state, probesAnswered: 0, probesUnanswered: state.probesUnanswered + 1 };
}

function hasContent(traffic: Traffic | undefined): traffic is Traffic {
  return traffic !== undefined && Object.values(traffic).some((count) => count > 0);
}

interface Fault {
  readonly reason: Reason;
  readonly evidence: string;
}

/** surroundings.flows: of the others. */
function findFault(state: BackendState, surroundings: Surroundings, nowMs: number): Fault | undefined {
  const { passive } = surroundings.config;
  if (probesFail(state, surroundings)) {
    const evidence = `${state.probesUnanswered} probes in a row without answer`;
    return { reason: "ProbesUnanswered", evidence };
  }
  if (passive === undefined) return undefined;
  return (
    findUnsendable(state, surroundings.config, passive, nowMs) ??
    findRefusal(state, passive) ??
    findSilence(state, passive, surroundings, nowMs)
  );
}

function probesFail(state: BackendState, { config, probesCount }: Surroundings): boolean {
  return probesCount && config.active !== undefined && state.probesUnanswered >= config.active.unhealthyThreshold;
}

/**
 * This host has no way there. Who was tried again without a sign of life has his trial: one datagram or flow is enough
 * then, so that a trial costs what one look sees of it.
 */
function findUnsendable(
  { samples, recoveredAtMs }: BackendState,
  { maxBackoffMs }: HealthConfig,
  { refusals }: PassiveConfig,
  nowMs: number,
): Fault | undefined {
  const { unsendable, forwarded } = sum(samples.filter(({ atMs }) => atMs > nowMs - UNSENDABLE_WITHIN_MS));
  const onTrial = recoveredAtMs !== undefined && nowMs - recoveredAtMs < maxBackoffMs;
  if (unsendable < (onTrial ? 1 : refusals) || unsendable <= forwarded) return undefined;
  return { reason: "Unsendable", evidence: `${unsendable} datagrams or flows that this host could not send there` };
}

function findRefusal({ samples }: BackendState, passive: PassiveConfig): Fault | undefined {
  const { refused, returned } = sum(samples);
  if (refused < passive.refusals || returned > 0) return undefined;
  const evidence = `${refused} ICMP refusals within ${passive.windowMs} ms and no datagram back`;
  return { reason: "Refused", evidence };
}

/** An answered probe says more than silence: whoever sends junk gets no reply from a server that is well. */
function findSilence(
  state: BackendState,
  passive: PassiveConfig,
  { speaksQuic, flows }: Surroundings,
  nowMs: number,
): Fault | undefined {
  const { windowMs, minDatagrams } = passive;
  if (state.lastAnswerAtMs !== undefined && nowMs - state.lastAnswerAtMs < windowMs) return undefined;
  const due = dueMs(passive, nowMs);
  const kind = speaksQuic ? "initial" : "all";
  const own = countFlows(state.samples, due)[kind];
  const { forwarded } = sum(state.samples.filter(({ atMs }) => atMs <= due));
  const { returned } = sum(state.samples);
  if (forwarded < minDatagrams || !isSilent(forwarded, returned, passive)) return undefined;
  if (!isUnanswered(own, flows[kind], passive)) return undefined;
  const share = Math.round(answeredShare(flows[kind]) * 100);
  const evidence =
    `${forwarded} datagrams and ${own.begun} new flows within ${windowMs} ms, ${returned} datagrams back, ` +
    `while others answered ${share} % of theirs`;
  return { reason: "Silent", evidence };
}

function isSilent(forwarded: number, returned: number, { replyPercent }: PassiveConfig): boolean {
  return returned * 100 <= forwarded * replyPercent;
}

/** Why a backend is healthy again, or undefined. */
function findRecovery(state: BackendState, surroundings: Surroundings, nowMs: number): string | undefined {
  const { config } = surroundings;
  const lastedMs = nowMs - state.sinceMs;
  if (lastedMs < holdMs(config, state.failures)) return undefined;
  const { active, passive } = config;
  if (active && state.probesAnswered >= active.healthyThreshold) {
    return `${state.probesAnswered} ${state.probesAnswered === 1 ? "probe" : "probes"} in a row answered`;
  }
  if (probesFail(state, surroundings) || (state.reason === "ProbesUnanswered" && active)) return undefined;
  const { forwarded, returned, refused, unsendable } = sum(state.samples);
  if (passive && returned > 0 && refused + unsendable === 0 && !isSilent(forwarded, returned, passive)) {
    return `${returned} datagrams came back`;
  }
  return lastedMs >= backoffMs(config, state.failures)
    ? `tried again after ${Math.round(lastedMs / 1000)} s without a sign of life`
    : undefined;
}

function fail(state: BackendState, { reason, evidence }: Fault, config: HealthConfig, nowMs: number): Decision {
  const soon = state.recoveredAtMs !== undefined && nowMs - state.recoveredAtMs < config.maxBackoffMs;
  const failures = soon ? state.failures + 1 : 1;
  const next = { ...state, reason, evidence, sinceMs: nowMs, failures, probesAnswered: 0, samples: [] };
  return { state: next, transition: { to: "Unhealthy", reason, evidence } };
}

function recover(state: BackendState, evidence: string, nowMs: number): Decision {
  const next: BackendState = {
    ...state,
    reason: undefined,
    evidence,
    sinceMs: nowMs,
    recoveredAtMs: nowMs,
    probesUnanswered: 0,
    samples: [],
  };
  return { state: next, transition: { to: "Healthy", reason: undefined, evidence } };
}

function sum(samples: readonly Sample[]): Pick<Traffic, "forwarded" | "returned" | "refused" | "unsendable"> {
  const total = { forwarded: 0, returned: 0, refused: 0, unsendable: 0 };
  for (const sample of samples) {
    total.forwarded += sample.forwarded;
    total.returned += sample.returned;
    total.refused += sample.refused;
    total.unsendable += sample.unsendable;
  }
  return total;
}
