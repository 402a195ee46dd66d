import type { EvidenceLevel, Witness } from "../reading/witness.ts";
import { spell, weaknessOf } from "./agreement.ts";

/** What a report is founded on, for its line "evidence: ...". */
const LEVELS: Readonly<Record<EvidenceLevel, string>> = {
  reasons: "counters + reasons",
  udp_fail: "counters + udp_fail",
  counters: "counters",
};

const MISSING: Readonly<Record<EvidenceLevel, string>> = {
  reasons: "drop reasons of the kernel",
  udp_fail: "what it tells of full sockets",
  counters: "counters",
};

export const evidenceLevel = (witness: Witness | undefined): string => LEVELS[witness?.level ?? "counters"];

/** Why the evidence is not better than it is, one sentence without an end each. */
export function evidenceNotes(witness: Witness | undefined): readonly string[] {
  if (witness === undefined) return [];
  const byWhy = Map.groupBy(witness.refusals, ({ why }) => why);
  const notes = [...byWhy].map(([why, them]) => `no ${them.map(({ level }) => MISSING[level]).join(", nor ")}: ${why}`);
  const { stopped, seconds } = witness;
  if (stopped !== undefined) {
    notes.push(
      `the second witness ended after ${seconds.toFixed(1)} s, because ${spell(stopped.eventsPerSecond)} drops a second ` +
        "would have cost too much to watch; its counts are extrapolated",
    );
  }
  const weakness = weaknessOf(witness);
  if (weakness !== undefined) notes.push(`evidence weak: ${weakness}`);
  return notes;
}
