import type { BackendHealthSpec } from "../../crds/backend_health.ts";
import { durationMs } from "../../crds/quantities.ts";

export interface ActiveConfig {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Probes in a row. */
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
}

export interface PassiveConfig {
  readonly windowMs: number;
  readonly minFlows: number;
  readonly minDatagrams: number;
  /** Datagrams back for 100 forwarded ones, 0 to 50. */
  readonly replyPercent: number;
  readonly refusals: number;
}

/** What is checked; a kind of check that is absent is off. */
export interface HealthConfig {
  readonly active: ActiveConfig | undefined;
  readonly passive: PassiveConfig | undefined;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** Percent of the backends, 0 to 100. */
  readonly panicThreshold: number;
}

/** spec.backends.health in numbers. Throws Error for what the schema refuses. */
export function planHealth({ active, passive, ...rest }: BackendHealthSpec): HealthConfig {
  const backoffMs = milliseconds(rest.backoff);
  return {
    active: active.mode === "Enabled" ? planActive(active) : undefined,
    passive: passive.mode === "Enabled" ? planPassive(passive) : undefined,
    backoffMs,
    maxBackoffMs: Math.max(backoffMs, milliseconds(rest.maxBackoff)),
    panicThreshold: rest.panicThreshold,
  };
}

function planActive(active: BackendHealthSpec["active"]): ActiveConfig {
  const timeoutMs = milliseconds(active.timeout);
  const { unhealthyThreshold, healthyThreshold } = active;
  const intervalMs = Math.max(timeoutMs, milliseconds(active.interval));
  return { intervalMs, timeoutMs, unhealthyThreshold, healthyThreshold };
}

function planPassive({ window, minFlows, minDatagrams, replyPercent, refusals }: BackendHealthSpec["passive"]) {
  return { windowMs: milliseconds(window), minFlows, minDatagrams, replyPercent, refusals };
}

function milliseconds(text: string): number {
  const value = durationMs(text);
  if (value === undefined) throw new Error(`${text} is no duration: the schema refuses it`);
  return value;
}

/** One line each, by name: for the log of a start and of a reload. */
export function describeConfig({ active, passive, ...rest }: HealthConfig): Record<string, string> {
  const { backoffMs, maxBackoffMs, panicThreshold } = rest;
  return {
    activeChecks: active
      ? `every ${active.intervalMs} ms, answer within ${active.timeoutMs} ms, ` +
        `unhealthy after ${active.unhealthyThreshold}, healthy after ${active.healthyThreshold}`
      : "off",
    passiveChecks: passive
      ? `${passive.windowMs} ms, silent: at most ${passive.replyPercent} of 100 answered of at least ` +
        `${passive.minDatagrams} datagrams and ${passive.minFlows} new flows; refused: ${passive.refusals}`
      : "off",
    healthBackoff: `${backoffMs} to ${maxBackoffMs} ms`,
    panicThreshold: `${panicThreshold} %`,
  };
}
