import type { HandOffId } from "../path/hand_offs.ts";
import type { Measures } from "../path/measures.ts";

/**
 * loss: datagrams of ours are lost here. possible: a counter moved of which nobody knows whether it means loss. warning: no
 * loss, but a sign of it. history: happened before the window. other: lost, but nobody's (not ours).
 */
export type Severity = "loss" | "possible" | "warning" | "history" | "other";

/** One cause at one hand-off. */
export interface Finding {
  /** Name of the verdict: kebab-case, the heading in docs/doctor.md. */
  readonly verdict: string;
  readonly handOff: HandOffId;
  readonly severity: Severity;
  /** One sentence: what happens. */
  readonly title: string;
  /** Datagrams lost within the window, offload undone; undefined: not to be told. */
  readonly datagrams: number | undefined;
  /** The numbers that prove it, one sentence each. */
  readonly proof: readonly string[];
  /** What to do, the cheapest first. */
  readonly remedy: readonly string[];
  /** What people try that does not help here. */
  readonly inVain: readonly string[];
}

/** What one verdict makes of the measures: nothing, or one finding for each place that it is about. Pure. */
export type Verdict = (measures: Measures) => readonly Finding[];
