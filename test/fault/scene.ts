import type { ExitCode } from "../../host/doctor/report.ts";
import type { HandOffId } from "../../host/path/hand_offs.ts";
import type { Subject } from "../../host/reading/raw.ts";
import type { Stage } from "./stage/stage.ts";

/** One fault, and what has to be said of it. */
export interface Scene {
  /** What is wrong, in a few words. */
  readonly fault: string;
  readonly handOff: HandOffId;
  readonly verdict: string;
  /** The first loss that is named; default: the verdict itself. Of a verdict that warns: what it warns beside. */
  readonly first?: string;
  /** Stands in what the doctor says is to be done. */
  readonly remedy: RegExp;
  /** The kernel's own drop reason; absent where it gives none: no skb is dropped, or not within the window. */
  readonly reason?: string;
  readonly exitCode: ExitCode;
  /** What is asked about. Default: PORT. */
  readonly subject?: Subject;
  /** Counters that the kernel moves for this fault, and by how many at least: that the fault is what it says it is. */
  readonly moves: Readonly<Record<string, number>>;
  /** Counters that stand still. */
  readonly still?: readonly string[];
  /** machine: the fault, or counters of it, are the machine's: nothing else may be looked at meanwhile. */
  readonly reach: "namespace" | "machine";
  /** Why it cannot be played here: something is missing. */
  readonly missing?: () => string | undefined;
  /** Resolves when fault and load are there. They last until the stage ends. */
  readonly play: (stage: Stage) => Promise<void>;
}
