import type { QuicProxyNodeStatus } from "../../../../crds/status_schema.ts";
import { type RolloutNode, type Target, targetText } from "../../../../operator/rollout/assess.ts";
import type { RolloutRecord } from "../../../../operator/rollout/record.ts";
import { nextStep, type RolloutInputs, type RolloutStep } from "../../../../operator/rollout/step.ts";
import type { ObservedPod } from "../../../../operator/world.ts";
import { FRESH, pod } from "../worlds.ts";

export const NOW = FRESH.nowMs;
export const TARGET: Target = { template: "new", account: undefined };
export const RUNNING: QuicProxyNodeStatus = { ready: true, appliedGeneration: 7 };

/** A node whose proxy is well and of the former template. */
export function rolloutNode(
  name: string,
  podChanges: Partial<ObservedPod> = {},
  changes: Partial<RolloutNode> = {},
): RolloutNode {
  return {
    nodeName: name,
    objectName: `edge.${name}`,
    alive: true,
    pod: pod(name, { template: "old", ...podChanges }),
    record: undefined,
    drain: false,
    status: RUNNING,
    generation: 7,
    ...changes,
  };
}

export function record(changes: Partial<RolloutRecord> = {}): RolloutRecord {
  return {
    target: targetText(TARGET),
    pod: "uid-former",
    wasReady: true,
    dropShare: 0,
    replacedAtMs: NOW - 60_000,
    ...changes,
  };
}

/** One whose pod was replaced a minute ago and is well. */
export function replaced(
  name: string,
  podChanges: Partial<ObservedPod> = {},
  changes: Partial<RolloutNode> = {},
): RolloutNode {
  const times = { createdAtMs: NOW - 60_000, changedAtMs: NOW - 50_000 };
  return rolloutNode(name, { template: "new", ...times, ...podChanges }, { record: record(), ...changes });
}

export type InputChanges = Partial<Omit<RolloutInputs, "limits">> & {
  readonly limits?: Partial<RolloutInputs["limits"]>;
};

export function step(nodes: readonly RolloutNode[], { limits, ...changes }: InputChanges = {}): RolloutStep {
  return nextStep({
    target: TARGET,
    nodes,
    limits: { maxUnavailable: 1, drainMs: 0, paused: false, ...limits },
    expectsReady: true,
    nowMs: NOW,
    busy: () => undefined,
    ...changes,
  });
}

/** `kind node` of each action. */
export function acts({ actions }: RolloutStep): string[] {
  return actions.map(({ kind, node }) => `${kind} ${node.nodeName}`);
}

/** `reason: message`. */
export function said({ progress }: RolloutStep): string {
  return progress === undefined ? "" : `${progress.reason}: ${progress.message}`;
}
