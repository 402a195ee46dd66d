import type { ObjectMeta } from "../../kube/objects.ts";
import { ROLLOUT_ANNOTATION } from "../names.ts";

/**
 * What is remembered of a node's last replacement, on its QuicProxyNode: all that a rollout knows beside what it sees, so
 * that another operator goes on with it.
 */
export interface RolloutRecord {
  /** What the pod was replaced for: template and ServiceAccount. */
  readonly target: string;
  /** UID of the pod that was to go. */
  readonly pod: string;
  /** Since 1970. Undefined: it was not drained. */
  readonly drainedAtMs?: number | undefined;
  /** Since 1970. Undefined: it is not deleted yet. */
  readonly replacedAtMs?: number | undefined;
  /** Whether a proxy of this node was seen ready before, or had no time yet to be: what comes after has to be, too. */
  readonly wasReady: boolean;
  /** Share of the datagrams that it received which it dropped, 0 to 1. */
  readonly dropShare: number;
}

/** Undefined where there is none, or none that can be read: then nothing is known. */
export function recordOf({ annotations = {} }: Pick<ObjectMeta, "annotations">): RolloutRecord | undefined {
  const text = annotations[ROLLOUT_ANNOTATION];
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as Partial<RolloutRecord> | null;
    if (typeof value?.target !== "string" || typeof value.pod !== "string") return undefined;
    return {
      target: value.target,
      pod: value.pod,
      drainedAtMs: numberOf(value.drainedAtMs),
      replacedAtMs: numberOf(value.replacedAtMs),
      wasReady: value.wasReady === true,
      dropShare: numberOf(value.dropShare) ?? 0,
    };
  } catch {
    return undefined;
  }
}

export function recordAnnotation(record: RolloutRecord): Record<string, string> {
  return { [ROLLOUT_ANNOTATION]: JSON.stringify(record) };
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
