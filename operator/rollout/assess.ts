import type { QuicProxyNodeStatus } from "../../crds/status_schema.ts";
import type { ObservedPod } from "../world.ts";
import { type Account, isOlderThan } from "./account.ts";
import { elapsedMs } from "./elapsed.ts";
import type { RolloutRecord } from "./record.ts";
import { shortfallOf } from "./verify.ts";

/** One node that is to run the proxy, as far as a rollout is concerned. */
export interface RolloutNode {
  readonly nodeName: string;
  /** Name of its QuicProxyNode. */
  readonly objectName: string;
  /** Whether its kubelet tells of itself. */
  readonly alive: boolean;
  /** The one that is to stay; where there is none, one that ends. */
  readonly pod: ObservedPod | undefined;
  readonly record: RolloutRecord | undefined;
  /** Whether its proxy is told to say that it is not ready. */
  readonly drain: boolean;
  readonly status: QuicProxyNodeStatus;
  readonly generation: number;
}

/** What the pods are to be. */
export interface Target {
  readonly template: string;
  /** A pod that is older than its account has a token of another, which the API server refuses. */
  readonly account: Account | undefined;
}

/** In which state a node is: passed over, done, on its way, gone wrong, or waiting for its turn. */
export type Stage = "away" | "current" | "replacing" | "failed" | "draining" | "broken" | "unready" | "serving";

export interface Assessment {
  readonly node: RolloutNode;
  readonly stage: Stage;
  /** What it waits for, or what is wrong. */
  readonly why: string;
  /** When time alone will change it. */
  readonly againMs?: number | undefined;
  /** Whether it is on its way because a rollout replaced its pod, and not for long. */
  readonly isNew?: boolean;
}

/** A node that was lost with its new pod may have been lost by it, and holds up the others for as long. */
const LOST_MS = 600_000;
/** A pod ends in 10 s, and the DaemonSet controller makes another at once, unless something keeps them from it. */
const TRANSIT_MS = 120_000;

/** What pods are replaced for, as one word. */
export function targetText({ template, account }: Target): string {
  return `${template}/${account?.uid ?? ""}`;
}

/** What is looked at beside the node. */
interface Sight {
  /** Whether there is a backend, without which no proxy is ready. */
  readonly expectsReady: boolean;
  readonly nowMs: number;
}

/** Pure. */
export function assess(node: RolloutNode, target: Target, sight: Sight): Assessment {
  const { pod, record, alive } = node;
  const wasReplaced = record?.target === targetText(target) && record.replacedAtMs !== undefined;
  const sinceMs = wasReplaced ? elapsedMs(sight.nowMs, record.replacedAtMs) : undefined;
  if (!alive) return assessLost(node, sinceMs);
  if (pod === undefined) return assessTransit(node, "waits for a pod: the DaemonSet controller has made none", sinceMs);
  if (pod.terminating) return assessTransit(node, `waits for pod ${pod.name} to end`, sinceMs);
  const outdated = outdatedFor(pod, target, record);
  if (outdated === undefined) return assessNewcomer(node, pod, { ...sight, wasReplaced });
  if (wasReplaced && record.pod === pod.uid) return assessTransit(node, `waits for pod ${pod.name} to end`, sinceMs);
  if (wasReplaced && pod.template === undefined) return { node, stage: "failed", why: unmarked(pod) };
  return assessOutdated(node, pod, { why: outdated, target });
}

function assessOutdated(
  node: RolloutNode,
  pod: ObservedPod,
  { why, target }: { readonly why: string; readonly target: Target },
): Assessment {
  if (pod.trouble !== undefined) return { node, stage: "broken", why: pod.trouble };
  if (isDraining(node, target)) return { node, stage: "draining", why: "is drained" };
  return { node, stage: pod.ready ? "serving" : "unready", why };
}

/** `sinceMs`: since its pod was replaced for what is wanted now; undefined: it was not. */
function assessLost(node: RolloutNode, sinceMs: number | undefined): Assessment {
  if (sinceMs === undefined || sinceMs > LOST_MS) return { node, stage: "away", why: "is not ready" };
  return { node, stage: "failed", why: "has not been ready since its pod was replaced", againMs: LOST_MS - sinceMs };
}

function assessTransit(node: RolloutNode, why: string, sinceMs: number | undefined): Assessment {
  if (sinceMs === undefined) return { node, stage: "replacing", why };
  if (sinceMs > TRANSIT_MS) return { node, stage: "failed", why };
  return { node, stage: "replacing", why, isNew: true, againMs: TRANSIT_MS - sinceMs };
}

function assessNewcomer(
  node: RolloutNode,
  pod: ObservedPod,
  { wasReplaced, ...sight }: Sight & { readonly wasReplaced: boolean },
): Assessment {
  const shortfall = shortfallOf({ ...node, ...sight, pod });
  if (shortfall === undefined) return { node, stage: "current", why: "" };
  const { why, againMs, isFinal } = shortfall;
  return { node, stage: isFinal ? "failed" : "replacing", why, againMs, isNew: wasReplaced && !isFinal };
}

/** Why a pod has to be replaced; undefined: it has not. */
export function outdatedFor(
  pod: ObservedPod,
  { template, account }: Target,
  record: RolloutRecord | undefined,
): string | undefined {
  if (pod.template !== template) return "is not of the present template";
  if (account === undefined || !isOlderThan(pod, account)) return undefined;
  // Times of two API servers may differ: once is enough.
  const wasReplaced = record?.target === targetText({ template, account }) && record.pod !== pod.uid;
  return wasReplaced ? undefined : "is older than its ServiceAccount: the API server refuses its token (401)";
}

export function isDraining({ pod, record, drain }: RolloutNode, target: Target): boolean {
  if (record?.drainedAtMs === undefined || record.replacedAtMs !== undefined) return false;
  return drain && record.target === targetText(target) && record.pod === pod?.uid;
}

function unmarked({ name }: ObservedPod): string {
  return (
    `pod ${name} was made anew and has not the annotations of its template; something takes them away, perhaps an ` +
    "admission webhook: let it keep quicproxy.io/template"
  );
}
