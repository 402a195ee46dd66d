import type { HandOffId } from "../path/hand_offs.ts";
import type { Measures } from "../path/measures.ts";

/**
 * loss: datagrams of ours are lost here. possible: a counter moved of which nobody knows whether it means loss. warning: no
 * loss, but a sign of it. history: happened before the window. other: lost, but nobody's (not ours), or too few to matter.
 */
export type Severity = "loss" | "possible" | "warning" | "history" | "other";

/** One cause at one hand-off. */
export interface Finding extends Omit<Found, "fill"> {
  /** Name of the verdict: kebab-case, the heading in docs/doctor.md. */
  readonly verdict: string;
  readonly handOff: HandOffId;
  /** What to do, the cheapest first. */
  readonly remedy: readonly string[];
  /** What people try that does not help here. */
  readonly inVain: readonly string[];
}

/** What a verdict sees at one place. */
export interface Found {
  readonly severity: Severity;
  /** One sentence: what happens. */
  readonly title: string;
  /** Datagrams lost within the window, offload undone; undefined: not to be told, or none. */
  readonly datagrams: number | undefined;
  /** The numbers that prove it, one sentence each. */
  readonly proof: readonly string[];
  /** Of how many they are a share; default: what should have passed this part of the path. */
  readonly arrived?: number;
  /** What stands for {placeholders} of the advice. */
  readonly fill?: Readonly<Record<string, string>>;
}

/** One cause: when it is one, and what to do about it. */
export interface Verdict {
  readonly name: string;
  readonly handOff: HandOffId;
  /** What to do, the cheapest first; {placeholders} are filled for each place. docs/doctor.md has it word for word. */
  readonly remedy: readonly string[];
  readonly inVain: readonly string[];
  /** Nothing, or one for each place that it is about. Pure. */
  readonly find: (measures: Measures) => readonly Found[];
}

/** What the verdict finds, with its advice. A placeholder that nobody fills is N. */
export function findingsOf({ name, handOff, remedy, inVain, find }: Verdict, measures: Measures): Finding[] {
  return find(measures).map(({ fill = {}, ...found }) => {
    const filled = (line: string): string => line.replaceAll(/\{([a-z-]+)\}/g, (_, key) => fill[key] ?? "N");
    return { verdict: name, handOff, ...found, remedy: remedy.map(filled), inVain: inVain.map(filled) };
  });
}
