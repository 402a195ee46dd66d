import type { HealthConfig, PassiveConfig } from "./config.ts";
import type { BackendState, Observation, ProbeResult, Reason, Sample, Traffic } from "./state.ts";

/** What holds for the backends together. */
export interface Surroundings {
  readonly config: HealthConfig;
  /** Some backend has answered a probe: then one that does not is down. Before, it may be that none speaks QUIC. */
  readonly probesCount: boolean;
  /** Some backend has sent a datagram back: then one that does not is down. Before, the protocol may be one-way. */
  readonly silenceCounts: boolean;
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

/** A reply may take so long; what was forwarded later is not yet held against a backend. */
const REPLY_TIME_MS = 2000;
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
    const fault = findFault(seen, surroundings, nowMs);
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

function findFault(state: BackendState, surroundings: Surroundings, nowMs: number): Fault | undefined {
  const { passive } = surroundings.config;
  if (probesFail(state, surroundings)) {
    const evidence = `${state.probesUnanswered} probes in a row without answer`;
    return { reason: "ProbesUnanswered", evidence };
  }
  if (passive === undefined) return undefined;
  return findRefusal(state, passive) ?? (surroundings.silenceCounts ? findSilence(state, passive, nowMs) : undefined);
}

function probesFail(state: BackendState, { config, probesCount }: Surroundings): boolean {
  return probesCount && config.active !== undefined && state.probesUnanswered >= config.active.unhealthyThreshold;
}

function findRefusal({ samples }: BackendState, passive: PassiveConfig): Fault | undefined {
  const { refused, returned } = sum(samples);
  if (refused < passive.refusals || returned > 0) return undefined;
  const evidence = `${refused} ICMP refusals within ${passive.windowMs} ms and no datagram back`;
  return { reason: "Refused", evidence };
}

/** An answered probe says more than silence: whoever sends junk gets no reply from a server that is well. */
function findSilence(state: BackendState, passive: PassiveConfig, nowMs: number): Fault | undefined {
  const { windowMs, minFlows, minDatagrams } = passive;
  if (state.lastAnswerAtMs !== undefined && nowMs - state.lastAnswerAtMs < windowMs) return undefined;
  const dueMs = nowMs - Math.min(REPLY_TIME_MS, windowMs / 2);
  const { forwarded, flowsCreated } = sum(state.samples.filter(({ atMs }) => atMs <= dueMs));
  const { returned } = sum(state.samples);
  if (flowsCreated < minFlows || forwarded < minDatagrams || !isSilent(forwarded, returned, passive)) return undefined;
  const evidence = `${forwarded} datagrams and ${flowsCreated} new flows within ${windowMs} ms, ${returned} datagrams back`;
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
  const { forwarded, returned, refused } = sum(state.samples);
  if (passive && returned > 0 && refused === 0 && !isSilent(forwarded, returned, passive)) {
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

function sum(samples: readonly Sample[]): Traffic {
  const total = { forwarded: 0, returned: 0, refused: 0, flowsCreated: 0 };
  for (const sample of samples) {
    total.forwarded += sample.forwarded;
    total.returned += sample.returned;
    total.refused += sample.refused;
    total.flowsCreated += sample.flowsCreated;
  }
  return total;
}
