import type { HandOffId } from "../path/hand_offs.ts";
import type { Subject } from "../reading/raw.ts";
import type { Finding } from "../verdict/finding.ts";

/**
 * losing: datagrams of ours are lost. warning: a sign, or a loss that cannot be proved. not seen: nothing there could be
 * read. not refreshed: the source moves more slowly than the window is long. restarted: its counters were set back.
 */
export type RowState = "clean" | "losing" | "warning" | "not seen" | "not refreshed" | "restarted";

/** One hand-off of the path. */
export interface Row {
  readonly handOff: HandOffId;
  readonly name: string;
  readonly state: RowState;
  /** Datagrams lost there within the window. */
  readonly lost: number;
  /** Names of the verdicts that say so, or why nothing is known. */
  readonly why: string;
}

export interface ReportFinding extends Omit<Finding, "arrived"> {
  /** Its share of what should have passed this part of the path, 0 to 1. */
  readonly share: number | undefined;
}

/** 0: clean (warnings allowed), 1: loss found, 2: could not tell. */
export type ExitCode = 0 | 1 | 2;

export interface Report {
  readonly subject: Subject;
  /** Time of the last reading, RFC 3339. */
  readonly time: string;
  /** Length of the window; undefined: one reading. */
  readonly seconds: number | undefined;
  readonly kernelRelease: string | undefined;
  /** "counters", alone or with what the kernel says of its drops: "counters + reasons", "counters + udp_fail". */
  readonly evidence: string;
  /** Why the evidence is not better, one sentence without an end each. */
  readonly evidenceNotes: readonly string[];
  /** What the kernel says of its own drops beside the counters, in path order; frames of nobody are left out. */
  readonly witnessed: readonly Witnessed[];
  /** The first verdict of loss in path order; else "clean", "could-not-tell" or "history-only". */
  readonly verdict: string;
  /** The first hand-off that loses datagrams of ours. */
  readonly firstLosing: HandOffId | undefined;
  readonly exitCode: ExitCode;
  /** Why it could not be told: one sentence for each reason. Empty where it could. */
  readonly doubts: readonly string[];
  readonly rates: Rates | undefined;
  readonly rows: readonly Row[];
  readonly findings: readonly ReportFinding[];
  /** Sources that could not be read, and why. */
  readonly missing: readonly { readonly source: string; readonly why: string }[];
  readonly note: string | undefined;
}

/** One cause of drops, by both witnesses. */
export interface Witnessed {
  /** undefined: a reason that this program does not know. */
  readonly handOff: HandOffId | undefined;
  /** Both say so, and the evidence is strong. */
  readonly isConfirmed: boolean;
  readonly text: string;
}

/** Datagrams per second of UDP in the network namespace, receive offload undone. undefined: not read. */
export interface Rates {
  readonly arrived: number | undefined;
  readonly delivered: number | undefined;
  readonly sent: number | undefined;
  /** Datagrams in one skb of receive offload, the greater of both families. */
  readonly datagramsPerSkb: number;
}
