import { listed, strung } from "../listing.ts";
import type { Assessment, Stage } from "./assess.ts";

/** How far a rollout has come, for people. */
export interface RolloutProgress {
  readonly reason: "RollingOut" | "RolloutHalted" | "RolloutPaused";
  readonly message: string;
  /** Nodes whose pods are to be replaced yet. */
  readonly outdated: number;
}

/** Nodes whose pods are outdated, and can be replaced. */
export const WAITING: ReadonlySet<Stage> = new Set(["broken", "unready", "serving", "draining"]);
const SHOWN_MAX = 3;

/** What is said of it. `busy`: nodes that wait for others on them, and why. */
export function progressOf(
  all: readonly Assessment[],
  { paused }: { readonly paused: boolean },
  busy: readonly string[],
): RolloutProgress {
  const named = (stage: Stage): string[] =>
    all.filter((each) => each.stage === stage).map(({ node, why }) => `${node.nodeName}: ${why}`);
  const outdated = all.filter(({ stage }) => WAITING.has(stage)).length;
  const done = all.filter(({ stage }) => stage === "current").length;
  const away = all.filter(({ stage }) => stage === "away").map(({ node }) => node.nodeName);
  const passed = away.length === 0 ? [] : [`${listed(away, SHOWN_MAX)}: not ready, passed over`];
  const count = `${done} of ${all.length} nodes done`;
  const failed = named("failed");
  if (failed.length > 0) {
    const remedy = `${outdated} wait with the pods they had; mend it or change the spec back, and the rollout goes on`;
    const message = `rollout halted, ${count}; ${strung(failed, SHOWN_MAX)}; ${remedy}`;
    return halted(message, outdated);
  }
  if (paused) {
    const message = `rollout paused by spec.rollout.paused, ${count}, ${outdated} wait`;
    return { reason: "RolloutPaused", message, outdated };
  }
  const waits = strung([...named("replacing"), ...named("draining"), ...busy, ...passed], SHOWN_MAX);
  return { reason: "RollingOut", message: `rolling out: ${count}${waits === "" ? "" : `; ${waits}`}`, outdated };
}

export function halted(message: string, outdated: number): RolloutProgress {
  return { reason: "RolloutHalted", message, outdated };
}
