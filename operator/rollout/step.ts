import type { ObservedPod } from "../world.ts";
import { type Assessment, assess, type RolloutNode, type Stage, type Target, targetText } from "./assess.ts";
import { elapsedMs } from "./elapsed.ts";
import { halted, progressOf, type RolloutProgress, WAITING } from "./progress.ts";
import type { RolloutRecord } from "./record.ts";
import { dropShareOf } from "./verify.ts";

export interface RolloutLimits {
  /** Nodes that may be without a ready proxy at a time by being replaced, or a percentage such as 25%, rounded up. */
  readonly maxUnavailable: number | string;
  readonly drainMs: number;
  readonly paused: boolean;
}

export interface RolloutInputs {
  /** Undefined: it is not known yet what is to be, and nothing is replaced. */
  readonly target: Target | undefined;
  /** Why it cannot be known. */
  readonly obstacle?: string | undefined;
  readonly nodes: readonly RolloutNode[];
  readonly limits: RolloutLimits;
  /** Whether there is a backend, without which no proxy is ready. */
  readonly expectsReady: boolean;
  readonly nowMs: number;
  /** Why this node is not to lose a proxy now: another one is missing there. Undefined: it may. */
  busy(nodeName: string): string | undefined;
}

/** What to do about one node. A record that is not there yet is written first. */
export type RolloutAction =
  | { readonly kind: "drain"; readonly node: RolloutNode; readonly record: RolloutRecord }
  | { readonly kind: "undrain"; readonly node: RolloutNode }
  | { readonly kind: "replace"; readonly node: RolloutNode; readonly record: RolloutRecord; readonly why: string };

export interface RolloutStep {
  readonly actions: readonly RolloutAction[];
  /** Undefined: there is nothing to roll out. */
  readonly progress: RolloutProgress | undefined;
  /** When to look again where nothing else happens. */
  readonly againMs: number | undefined;
}

/** Readiness is asked for every 5 s and believed the second time; a proxy that cannot be told never gets unready. */
const DRAIN_LATE_MS = 30_000;
/** From its start until it answers that it is ready a good proxy takes some seconds. */
const UNDECIDED_MS = 30_000;
const BUSY_AGAIN_MS = 5000;
const SOONEST_MS = 250;

/**
 * What to do next so that every pod is as it should be. Pure, and without a memory: whoever asks next, after whatever has
 * happened, is told how to go on.
 */
export function nextStep(inputs: RolloutInputs): RolloutStep {
  const { target, obstacle, nodes } = inputs;
  if (target === undefined) {
    const progress = obstacle === undefined ? undefined : halted(`rollout halted; ${obstacle}`, 0);
    return { actions: [], progress, againMs: undefined };
  }
  const all = nodes.map((node) => assess(node, target, inputs));
  const waiting = all.filter(({ stage }) => WAITING.has(stage));
  const failed = all.filter(({ stage }) => stage === "failed");
  const isUnderWay = waiting.length > 0 || all.some(({ isNew }) => isNew === true);
  const mayGoOn = waiting.length > 0 && failed.length === 0 && !inputs.limits.paused;
  const picks = mayGoOn ? pick(all, target, inputs) : { actions: [], againMs: undefined, busy: [] };
  const draining = new Set(all.filter(({ stage }) => mayGoOn && stage === "draining").map(({ node }) => node));
  const undrain = nodes
    .filter((node) => node.drain && !draining.has(node))
    .map((node) => ({ kind: "undrain", node }) as const);
  const times = [...all.map(({ againMs }) => againMs), picks.againMs].filter((ms) => ms !== undefined && ms > 0);
  return {
    actions: [...leaving(all, target), ...picks.actions, ...undrain],
    progress: isUnderWay ? progressOf(all, inputs.limits, picks.busy) : undefined,
    againMs: !isUnderWay || times.length === 0 ? undefined : Math.max(SOONEST_MS, Math.min(...(times as number[]))),
  };
}

interface Picks {
  readonly actions: readonly RolloutAction[];
  readonly againMs: number | undefined;
  readonly busy: readonly string[];
}

/** What was to be deleted and is there all the same: a request may have been lost with the operator that made it. */
function leaving(all: readonly Assessment[], target: Target): RolloutAction[] {
  return all.flatMap(({ node, stage, why }): RolloutAction[] => {
    const { pod } = node;
    // It may have got ready since.
    const record = node.record && pod?.ready === true ? { ...node.record, wasReady: true } : node.record;
    const isAsked =
      record?.target === targetText(target) && record.replacedAtMs !== undefined && record.pod === pod?.uid;
    return stage === "replacing" && isAsked && !pod.terminating ? [{ kind: "replace", node, record, why }] : [];
  });
}

/** Those that serve nobody go first and at once; of the others as many as may be away. */
function pick(all: readonly Assessment[], target: Target, inputs: RolloutInputs): Picks {
  const of = (...stages: Stage[]): Assessment[] =>
    all.filter(({ stage }) => stages.includes(stage)).sort((a, b) => (a.node.nodeName < b.node.nodeName ? -1 : 1));
  const { drainMs } = inputs.limits;
  const broken = of("broken");
  const draining = of("draining");
  const actions: RolloutAction[] = broken.map((each) => replaceOf(each, target, inputs));
  const leftMs = draining.map(({ node }) => drainLeftMs(node, inputs));
  actions.push(...draining.filter((_, index) => leftMs[index]! <= 0).map((each) => replaceOf(each, target, inputs)));
  const busy: string[] = [];
  let room = roomOf(all, inputs) - broken.length - draining.length;
  for (const each of [...of("unready"), ...of("serving")]) {
    if (room <= 0) break;
    const other = inputs.busy(each.node.nodeName);
    if (other !== undefined) {
      busy.push(`${each.node.nodeName}: ${other}`);
      continue;
    }
    room--;
    const isDrained = drainMs > 0 && each.stage === "serving";
    actions.push(isDrained ? drainOf(each.node, target, inputs) : replaceOf(each, target, inputs));
  }
  const times = [...leftMs.filter((ms) => ms > 0), ...(busy.length === 0 ? [] : [BUSY_AGAIN_MS])];
  return { actions, busy, againMs: times.length === 0 ? undefined : Math.min(...times) };
}

/** How many more may be away. The first of a change goes alone: it may be the last that should. */
function roomOf(all: readonly Assessment[], { limits }: RolloutInputs): number {
  const present = all.filter(({ stage }) => stage !== "away");
  const isProven = present.some(({ stage }) => stage === "current");
  const max = isProven ? unavailableMax(limits.maxUnavailable, all.length) : 1;
  return max - present.filter(({ stage }) => stage === "replacing").length;
}

/** As DaemonSets count it, and at least one. */
export function unavailableMax(maxUnavailable: number | string, nodes: number): number {
  if (typeof maxUnavailable === "number") return Math.max(1, maxUnavailable);
  return Math.max(1, Math.ceil((nodes * Number.parseInt(maxUnavailable, 10)) / 100) || 1);
}

/** The time counts from when the pod is seen not to be ready; where that never comes it ends all the same. */
function drainLeftMs({ pod, record }: RolloutNode, { limits, nowMs }: RolloutInputs): number {
  const drainedAtMs = record?.drainedAtMs ?? 0;
  const leftMs = limits.drainMs - elapsedMs(nowMs, Math.max(drainedAtMs, pod?.changedAtMs ?? 0));
  const atMostMs = limits.drainMs + DRAIN_LATE_MS - elapsedMs(nowMs, drainedAtMs);
  return pod?.ready === true ? atMostMs : Math.min(leftMs, atMostMs);
}

/** A pod that has only begun, or was ready a moment ago: nothing says that none of this node would be. */
function isUndecided({ started, changedAtMs }: ObservedPod, nowMs: number): boolean {
  return !started || elapsedMs(nowMs, changedAtMs) < UNDECIDED_MS;
}

function recordBefore({ pod, record, status }: RolloutNode, target: Target, nowMs: number): RolloutRecord {
  const wasReady = pod !== undefined && (pod.ready || isUndecided(pod, nowMs));
  return {
    target: targetText(target),
    pod: pod?.uid ?? "",
    // Of two bad changes in a row the second would otherwise be held against the first.
    wasReady: wasReady || record?.wasReady === true,
    dropShare: dropShareOf(status),
  };
}

function drainOf(node: RolloutNode, target: Target, { nowMs }: RolloutInputs): RolloutAction {
  return { kind: "drain", node, record: { ...recordBefore(node, target, nowMs), drainedAtMs: nowMs } };
}

function replaceOf({ node, why }: Assessment, target: Target, { nowMs }: RolloutInputs): RolloutAction {
  return { kind: "replace", node, record: { ...recordBefore(node, target, nowMs), replacedAtMs: nowMs }, why };
}
