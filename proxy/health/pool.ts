import type { HealthConfig } from "./config.ts";
import { decide, type Transition } from "./decide.ts";
import type { NewFlowShares } from "./shares.ts";
import { addFlows, countFlows, dueMs, type FlowCounts, NO_FLOWS, ofTheLiving } from "./silence.ts";
import { type BackendState, newBackend, type Observation, type Standing, standingOf } from "./state.ts";

/** All backends that may get new flows, by `address:port`. */
export interface Pool {
  readonly backends: ReadonlyMap<string, BackendState>;
  /** Some backend has answered a probe. */
  readonly everAnswered: boolean;
  /** Some backend has answered a flow that begins as QUIC does. */
  readonly speaksQuic: boolean;
  /** Too few are healthy: all are treated as healthy. */
  readonly panic: boolean;
  /** Every backend was probed often enough, and none ever answered: probes tell nothing. */
  readonly suspended: boolean;
}

export interface BackendTransition extends Transition {
  readonly backend: string;
}

export const EMPTY_POOL: Pool = {
  backends: new Map(),
  everAnswered: false,
  speaksQuic: false,
  panic: false,
  suspended: false,
};

const NOTHING_SEEN: Observation = { probes: [], traffic: undefined };

/** The same pool with these backends: who stays keeps its state, who is new is healthy. */
export function withBackends(pool: Pool, names: readonly string[], config: HealthConfig, nowMs: number): Pool {
  const backends = new Map(names.map((name) => [name, pool.backends.get(name) ?? newBackend(nowMs)]));
  return conclude({ ...pool, backends }, config);
}

/** One look at all backends. Pure. A backend without observation was not seen. */
export function decidePool(
  pool: Pool,
  observations: ReadonlyMap<string, Observation>,
  config: HealthConfig,
  nowMs: number,
): { pool: Pool; transitions: BackendTransition[] } {
  const seen = [...observations.values()];
  const everAnswered = pool.everAnswered || seen.some(({ probes }) => probes.includes("Answered"));
  const speaksQuic = pool.speaksQuic || seen.some(({ traffic }) => (traffic?.initialFlowsAnswered ?? 0) > 0);
  const surroundings = { config, probesCount: everAnswered, speaksQuic, flows: flowsOf(pool, config, nowMs) };
  const transitions: BackendTransition[] = [];
  const backends = new Map<string, BackendState>();
  for (const [backend, before] of pool.backends) {
    const { state, transition } = decide(before, observations.get(backend) ?? NOTHING_SEEN, surroundings, nowMs);
    backends.set(backend, state);
    if (transition) transitions.push({ backend, ...transition });
  }
  return { pool: conclude({ ...pool, backends, everAnswered, speaksQuic }, config), transitions };
}

function flowsOf({ backends }: Pool, { passive }: HealthConfig, nowMs: number): FlowCounts {
  let flows = NO_FLOWS;
  if (passive === undefined) return flows;
  const due = dueMs(passive, nowMs);
  for (const { samples } of backends.values()) {
    if (samples.length > 0) flows = addFlows(flows, ofTheLiving(countFlows(samples, due)));
  }
  return flows;
}

/** How many backends are what. */
export function countStandings({ backends }: Pool): Record<Standing, number> {
  const counts = { Healthy: 0, OnTrial: 0, Unhealthy: 0 };
  for (const state of backends.values()) counts[standingOf(state)]++;
  return counts;
}

/** Who gets fewer new flows than his weight says. Never all get none; in a panic everybody gets his share. */
export function sharesOf({ backends, panic }: Pool): NewFlowShares {
  const namesOf = (standing: Standing): Set<string> => {
    if (panic) return new Set();
    return new Set([...backends].filter(([, state]) => standingOf(state) === standing).map(([name]) => name));
  };
  return { drained: namesOf("Unhealthy"), onTrial: namesOf("OnTrial") };
}

function conclude(pool: Pool, { active, panicThreshold }: HealthConfig): Pool {
  const total = pool.backends.size;
  // Who is on trial gets new flows: a few datagrams say more about him than a panic would.
  const trusted = total - countStandings(pool).Unhealthy;
  const panic = trusted < total && (trusted === 0 || trusted * 100 < panicThreshold * total);
  const suspended =
    active !== undefined &&
    !pool.everAnswered &&
    total > 0 &&
    [...pool.backends.values()].every(({ probesUnanswered }) => probesUnanswered >= active.unhealthyThreshold);
  return { ...pool, panic, suspended };
}
