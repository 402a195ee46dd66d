import type { HealthConfig } from "../../../../proxy/health/config.ts";
import type { Surroundings } from "../../../../proxy/health/decide.ts";
import {
  type BackendState,
  newBackend,
  type Observation,
  type ProbeResult,
  TRAFFIC_CELLS,
  type Traffic,
} from "../../../../proxy/health/state.ts";

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
  // All others answer all that comes to them.
  const flows = { initial: { begun: 0, answered: 0 }, all: { begun: 99, answered: 99 } };
  return { config: CONFIG, probesCount: true, speaksQuic: false, flows, ...changes };
}

export function probes(...results: ProbeResult[]): Observation {
  return { probes: results, traffic: undefined };
}

export const unanswered = (count: number): Observation => probes(...Array<ProbeResult>(count).fill("Unanswered"));
export const answered = (count: number): Observation => probes(...Array<ProbeResult>(count).fill("Answered"));

export const NO_TRAFFIC = Object.fromEntries(TRAFFIC_CELLS.map((cell) => [cell, 0])) as Traffic;

export function traffic(counts: Partial<Traffic>): Observation {
  return { probes: [], traffic: { ...NO_TRAFFIC, ...counts } };
}

export const nothing: Observation = { probes: [], traffic: undefined };

export function unhealthy(changes: Partial<BackendState> = {}): BackendState {
  return { ...newBackend(0), reason: "Silent", evidence: "silent", failures: 1, ...changes };
}
