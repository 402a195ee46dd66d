import type { HealthConfig, PassiveConfig } from "./config.ts";
import { sum, withSample } from "./samples.ts";
import {
  addFlows,
  answeredShare,
  countFlows,
  dueMs,
  type FlowCounts,
  isSilent,
  isUnanswered,
  ofTheLiving,
} from "./silence.ts";
import type { BackendState, Observation, ProbeResult, Reason, Standing } from "./state.ts";
import { endOfTrial } from "./trial.ts";

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
  readonly to: Standing;
  /** Defined for Unhealthy. */
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
    const flows = flowsOfOthers(state, surroundings, nowMs);
    const fault = findFault(seen, { ...surroundings, flows }, nowMs);
    if (fault !== undefined) return fail(seen, fault, surroundings.config, nowMs);
    const proof = seen.onTrial ? endOfTrial(seen, surroundings.config, flows, nowMs) : undefined;
    return proof === undefined ? { state: seen, transition: undefined } : endTrial(seen, proof, nowMs);
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
  return { ...counted, samples: withSample(counted, traffic, config.passive.windowMs, nowMs) };
}

function countProbe(state: BackendState, result: ProbeResult, nowMs: number): BackendState {
  return result === "Answered"
    ? { ...state, probesAnswered: state.probesAnswered + 1, probesUnanswered: 0, lastAnswerAtMs: nowMs }
    : { ...state, probesAnswered: 0, probesUnanswered: state.probesUnanswered + 1 };
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
    findUnsendable(state, passive, nowMs) ??
    findRefusal(state, passive) ??
    findSilence(state, passive, surroundings, nowMs)
  );
}

function probesFail(state: BackendState, { config, probesCount }: Surroundings): boolean {
  return probesCount && config.active !== undefined && state.probesUnanswered >= config.active.unhealthyThreshold;
}

/** On trial one is enough, so that a trial costs what one look sees of it. */
const enough = ({ onTrial }: BackendState, { refusals }: PassiveConfig): number => (onTrial ? 1 : refusals);

/** This host has no way there. */
function findUnsendable(state: BackendState, passive: PassiveConfig, nowMs: number): Fault | undefined {
  const { unsendable, forwarded } = sum(state.samples.filter(({ atMs }) => atMs > nowMs - UNSENDABLE_WITHIN_MS));
  if (unsendable < enough(state, passive) || unsendable <= forwarded) return undefined;
  return { reason: "Unsendable", evidence: `${unsendable} datagrams or flows that this host could not send there` };
}

function findRefusal(state: BackendState, passive: PassiveConfig): Fault | undefined {
  const { refused, returned } = sum(state.samples);
  if (refused < enough(state, passive) || returned > 0) return undefined;
  const refusals = refused === 1 ? "1 ICMP refusal" : `${refused} ICMP refusals`;
  return { reason: "Refused", evidence: `${refusals} ${span(state, passive)} and no datagram back` };
}

/** Since when samples are kept. */
function span({ onTrial }: BackendState, { windowMs }: PassiveConfig): string {
  return onTrial ? "on trial" : `within ${windowMs} ms`;
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
    `${forwarded} datagrams and ${own.begun} new flows ${span(state, passive)}, ${returned} datagrams back, ` +
    `while others answered ${share} % of theirs`;
  return { reason: "Silent", evidence };
}

interface Recovery {
  /** Without a sign of life it has to show itself first. */
  readonly onTrial: boolean;
  readonly evidence: string;
}

/** Why a backend gets new flows again, or undefined. */
function findRecovery(state: BackendState, surroundings: Surroundings, nowMs: number): Recovery | undefined {
  const { config } = surroundings;
  const lastedMs = nowMs - state.sinceMs;
  if (lastedMs < holdMs(config, state.failures)) return undefined;
  const { active, passive } = config;
  if (active && state.probesAnswered >= active.healthyThreshold) {
    const probes = state.probesAnswered === 1 ? "probe" : "probes";
    return { onTrial: false, evidence: `${state.probesAnswered} ${probes} in a row answered` };
  }
  if (probesFail(state, surroundings) || (state.reason === "ProbesUnanswered" && active)) return undefined;
  const { forwarded, returned, refused, unsendable } = sum(state.samples);
  if (passive && returned > 0 && refused + unsendable === 0 && !isSilent(forwarded, returned, passive)) {
    return { onTrial: false, evidence: `${returned} datagrams came back` };
  }
  if (lastedMs < backoffMs(config, state.failures)) return undefined;
  return { onTrial: true, evidence: `tried again after ${Math.round(lastedMs / 1000)} s without a sign of life` };
}

function fail(state: BackendState, { reason, evidence }: Fault, config: HealthConfig, nowMs: number): Decision {
  const { recoveredAtMs, onTrial } = state;
  const soon = onTrial || (recoveredAtMs !== undefined && nowMs - recoveredAtMs < config.maxBackoffMs);
  const failures = soon ? state.failures + 1 : 1;
  const changes = { reason, evidence, sinceMs: nowMs, failures, onTrial: false, probesAnswered: 0, samples: [] };
  const next = { ...state, ...changes };
  return { state: next, transition: { to: "Unhealthy", reason, evidence } };
}

function recover(state: BackendState, { onTrial, evidence }: Recovery, nowMs: number): Decision {
  const next: BackendState = {
    ...state,
    reason: undefined,
    evidence,
    sinceMs: nowMs,
    recoveredAtMs: nowMs,
    onTrial,
    probesUnanswered: 0,
    samples: [],
  };
  return { state: next, transition: { to: onTrial ? "OnTrial" : "Healthy", reason: undefined, evidence } };
}

function endTrial(state: BackendState, evidence: string, nowMs: number): Decision {
  const next = { ...state, evidence, sinceMs: nowMs, recoveredAtMs: nowMs, onTrial: false, samples: [] };
  return { state: next, transition: { to: "Healthy", reason: undefined, evidence } };
}
