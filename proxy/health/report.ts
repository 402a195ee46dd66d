import type { HealthConfig } from "./config.ts";
import type { BackendTransition, Pool } from "./pool.ts";
import { countStandings } from "./pool.ts";
import type { ProbeCounts } from "./prober.ts";
import { type BackendState, type Reason, type Standing, standingOf } from "./state.ts";

/** What is known of one backend that may get new flows. */
export interface BackendHealth {
  state: Standing;
  reason: Reason | "";
  /** The numbers behind the last change; empty before the first. */
  evidence: string;
  /** Time since the last change. */
  forMs: number;
}

/** The part of /counters that tells of health checks. */
export interface HealthReport {
  active: "Disabled" | "Running" | "Suspended";
  passive: "Disabled" | "Running";
  /** Too few are healthy: all are treated as healthy. */
  panic: boolean;
  healthy: number;
  /** Tried again without a sign of life, with a small share of new flows. */
  onTrial: number;
  unhealthy: number;
  /** Percent. */
  panicThreshold: number;
  probes: ProbeCounts;
  /** How often a backend became so. */
  changes: { healthy: number; onTrial: number; unhealthy: number };
  /** By `address:port`. */
  backends: Record<string, BackendHealth>;
}

export function reportHealth(
  pool: Pool,
  config: HealthConfig,
  counts: Pick<HealthReport, "probes" | "changes">,
  nowMs: number,
): HealthReport {
  const { Healthy: healthy, OnTrial: onTrial, Unhealthy: unhealthy } = countStandings(pool);
  return {
    active: config.active === undefined ? "Disabled" : pool.suspended ? "Suspended" : "Running",
    passive: config.passive === undefined ? "Disabled" : "Running",
    panic: pool.panic,
    healthy,
    onTrial,
    unhealthy,
    panicThreshold: config.panicThreshold,
    probes: { ...counts.probes },
    changes: { ...counts.changes },
    backends: Object.fromEntries([...pool.backends].map(([name, state]) => [name, reportBackend(state, nowMs)])),
  };
}

function reportBackend(backend: BackendState, nowMs: number): BackendHealth {
  const { reason, evidence, sinceMs } = backend;
  return {
    state: standingOf(backend),
    reason: reason ?? "",
    evidence,
    forMs: Math.max(0, Math.round(nowMs - sinceMs)),
  };
}

export interface HealthLine {
  level: "info" | "warn";
  message: string;
  fields: Record<string, unknown>;
}

const NAMED_MAX = 20;

/** What to say of a change: one line per backend, as far as there are not too many, and one for all together. */
export function describeChange(
  before: Pool,
  after: Pool,
  transitions: readonly BackendTransition[],
  config: HealthConfig,
): HealthLine[] {
  const { Healthy: healthy, OnTrial: onTrial } = countStandings(after);
  const backends = after.backends.size;
  const fields = { healthy, onTrial, backends };
  const share = shareText(fields);
  const lines = transitions.slice(0, NAMED_MAX).map(({ backend, to, reason, evidence }): HealthLine => {
    const message = `backend ${backend} is ${STANDING_TEXTS[to]}: ${evidence}; ${share}`;
    return { level: to === "Unhealthy" ? "warn" : "info", message, fields: { ...fields, backend, reason, evidence } };
  });
  const more = transitions.length - NAMED_MAX;
  if (more > 0) {
    lines.push({
      level: "warn",
      message: `${more} more backends changed; ${share}`,
      fields,
    });
  }
  return [...lines, ...panicLines(before, after, config, fields), ...suspensionLines(before, after, config, fields)];
}

type Counts = Record<"healthy" | "onTrial" | "backends", number>;

const STANDING_TEXTS = { Healthy: "healthy", OnTrial: "on trial", Unhealthy: "unhealthy" } as const;

function shareText({ healthy, onTrial, backends }: Counts, what = ""): string {
  return `${healthy} of ${backends}${what} are healthy${onTrial === 0 ? "" : `, ${onTrial} on trial`}`;
}

function panicLines(before: Pool, after: Pool, { panicThreshold }: HealthConfig, fields: Counts): HealthLine[] {
  if (before.panic === after.panic) return [];
  const share = shareText(fields, " backends");
  if (!after.panic) return [{ level: "info", message: `panic ended: ${share}; only these get new flows`, fields }];
  const why = fields.healthy + fields.onTrial === 0 ? "none is left" : `fewer than ${panicThreshold} %`;
  return [{ level: "warn", message: `panic: ${share}, ${why}: all are treated as healthy`, fields }];
}

function suspensionLines(before: Pool, after: Pool, { active }: HealthConfig, fields: Counts): HealthLine[] {
  if (before.suspended === after.suspended) return [];
  if (!after.suspended) return [{ level: "info", message: "active checks count again: a probe was answered", fields }];
  const message =
    `no backend ever answered a probe, ${active?.unhealthyThreshold ?? 0} for each were sent: is it QUIC? ` +
    "Active checks suspended until one answers; probes go on at a tenth of the rate";
  return [{ level: "warn", message, fields }];
}
