/** Why a backend is unhealthy. */
export type Reason = "ProbesUnanswered" | "Silent" | "Refused" | "Unsendable";

/** What a backend gets new flows by. */
export type Standing = "Healthy" | "OnTrial" | "Unhealthy";

export function standingOf({ reason, onTrial }: BackendState): Standing {
  if (reason !== undefined) return "Unhealthy";
  return onTrial ? "OnTrial" : "Healthy";
}

export type ProbeResult = "Answered" | "Unanswered";

/** Datagrams, flows and refusals of one backend; names and meaning as of its cells (enum BackendCounter). */
export const TRAFFIC_CELLS = [
  "forwarded",
  "returned",
  "refused",
  "unsendable",
  "flowsCreated",
  "flowsAnswered",
  "initialFlows",
  "initialFlowsAnswered",
] as const;
export type Traffic = Readonly<Record<(typeof TRAFFIC_CELLS)[number], number>>;

/** What was counted between two readings. */
export interface Sample extends Traffic {
  readonly atMs: number;
}

/** What was seen of a backend since the last decision. */
export interface Observation {
  /** Oldest first. */
  readonly probes: readonly ProbeResult[];
  /** Undefined where nothing was read. */
  readonly traffic: Traffic | undefined;
}

export interface BackendState {
  /** Undefined: healthy. */
  readonly reason: Reason | undefined;
  /** What was counted when it last changed; empty before. */
  readonly evidence: string;
  /** Of the last change. */
  readonly sinceMs: number;
  /** How often in a row it became unhealthy soon after it had recovered; 0 before the first time. */
  readonly failures: number;
  readonly recoveredAtMs: number | undefined;
  /** It is tried again without a sign of life, with a small share of new flows (trial.ts); it is not unhealthy then. */
  readonly onTrial: boolean;
  readonly probesAnswered: number;
  readonly probesUnanswered: number;
  readonly lastAnswerAtMs: number | undefined;
  /** Of the window, oldest first, none without content; on trial those before it are one. */
  readonly samples: readonly Sample[];
}

/** A backend of which nothing is known gets its share: what is new must be tried. */
export function newBackend(nowMs: number): BackendState {
  return {
    reason: undefined,
    evidence: "",
    sinceMs: nowMs,
    failures: 0,
    recoveredAtMs: undefined,
    onTrial: false,
    probesAnswered: 0,
    probesUnanswered: 0,
    lastAnswerAtMs: undefined,
    samples: [],
  };
}
