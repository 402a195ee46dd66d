import type { PassiveConfig } from "./config.ts";
import type { Sample } from "./state.ts";

/** New flows, and on how many of them anything came back. */
export interface Flows {
  readonly begun: number;
  readonly answered: number;
}

/** New flows of a window: those that could begin a QUIC connection, and all. */
export interface FlowCounts {
  readonly initial: Flows;
  readonly all: Flows;
}

/** A reply may take so long; what was forwarded later is not yet held against a backend. */
const REPLY_TIME_MS = 2000;
/** How likely it may be that a backend is taken for dead which is well and got nothing but what nobody answers. */
const MISTAKE = 1e-4;

/** What came later may still be answered. */
export function dueMs({ windowMs }: PassiveConfig, nowMs: number): number {
  return nowMs - Math.min(REPLY_TIME_MS, windowMs / 2);
}

/** Flows begun until `due`, and all answers. */
export function countFlows(samples: Iterable<Sample>, due: number): FlowCounts {
  const counts = { initialBegun: 0, initialAnswered: 0, allBegun: 0, allAnswered: 0 };
  for (const sample of samples) {
    counts.initialAnswered += sample.initialFlowsAnswered;
    counts.allAnswered += sample.flowsAnswered;
    if (sample.atMs > due) continue;
    counts.initialBegun += sample.initialFlows;
    counts.allBegun += sample.flowsCreated;
  }
  return {
    initial: { begun: counts.initialBegun, answered: counts.initialAnswered },
    all: { begun: counts.allBegun, answered: counts.allAnswered },
  };
}

const add = (one: Flows, other: Flows, sign: 1 | -1): Flows => ({
  begun: one.begun + sign * other.begun,
  answered: one.answered + sign * other.answered,
});

export function addFlows(one: FlowCounts, other: FlowCounts, sign: 1 | -1 = 1): FlowCounts {
  return { initial: add(one.initial, other.initial, sign), all: add(one.all, other.all, sign) };
}

/** Only of who has answered: the dead do not say what the living are sent. */
export function ofTheLiving({ initial, all }: FlowCounts): FlowCounts {
  const living = (flows: Flows): Flows => (flows.answered > 0 ? flows : { begun: 0, answered: 0 });
  return { initial: living(initial), all: living(all) };
}

export const NO_FLOWS: FlowCounts = { initial: { begun: 0, answered: 0 }, all: { begun: 0, answered: 0 } };

/** The share of new flows that backends answer which are well: fewer where some of them are made up. */
export function answeredShare({ begun, answered }: Flows): number {
  return Math.min(begun, answered) / (begun + 1);
}

/** Whether a backend sends back no more than what counts as silence. */
export function isSilent(forwarded: number, returned: number, { replyPercent }: PassiveConfig): boolean {
  return returned * 100 <= forwarded * replyPercent;
}

/**
 * Whether so few answers say that a backend is down, and not that what came to it was nothing that a server answers:
 * anybody can make up flows, but he cannot have the others answer them. `own` are judged by what became of `others`.
 */
export function isUnanswered(own: Flows, others: Flows, { minFlows, replyPercent }: PassiveConfig): boolean {
  const share = answeredShare(others);
  if (own.begun < minFlows || (1 - share) ** own.begun > MISTAKE) return false;
  return own.answered * 100 <= own.begun * share * replyPercent;
}
