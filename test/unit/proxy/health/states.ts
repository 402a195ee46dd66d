import type { HealthConfig } from "../../../../proxy/health/config.ts";
import type { Surroundings } from "../../../../proxy/health/decide.ts";
import { type BackendState, newBackend, type Observation, type ProbeResult } from "../../../../proxy/health/state.ts";

export const CONFIG: HealthConfig = {
  active: { intervalMs: 5000, timeoutMs: 1000, unhealthyThreshold: 3, healthyThreshold: 2 },
  passive: { windowMs: 10_000, minFlows: 5, minDatagrams: 20, replyPercent: 0, refusals: 3 },
  backoffMs: 30_000,
  maxBackoffMs: 300_000,
  panicThreshold: 50,
};

export const PASSIVE_ONLY: HealthConfig = { ...CONFIG, active: undefined };
export const ACTIVE_ONLY: HealthConfig = { ...CONFIG, passive: undefined };

export function surroundings(changes: Partial<Surroundings> = {}): Surroundings {
  return { config: CONFIG, probesCount: true, silenceCounts: true, ...changes };
}

export function probes(...results: ProbeResult[]): Observation {
  return { probes: results, traffic: undefined };
}

export const unanswered = (count: number): Observation => probes(...Array<ProbeResult>(count).fill("Unanswered"));
export const answered = (count: number): Observation => probes(...Array<ProbeResult>(count).fill("Answered"));

export function traffic(counts: Partial<NonNullable<Observation["traffic"]>>): Observation {
  return { probes: [], traffic: { forwarded: 0, returned: 0, refused: 0, flowsCreated: 0, ...counts } };
}

export const nothing: Observation = { probes: [], traffic: undefined };

export function unhealthy(changes: Partial<BackendState> = {}): BackendState {
  return { ...newBackend(0), reason: "Silent", evidence: "silent", failures: 1, ...changes };
}
