import type { QuicProxyNodeStatus } from "../../crds/status_schema.ts";
import type { ObservedPod } from "../world.ts";
import { elapsedMs } from "./elapsed.ts";
import type { RolloutRecord } from "./record.ts";

/** A pod that is new, and what is known beside it. */
export interface Newcomer {
  readonly pod: ObservedPod;
  readonly record: RolloutRecord | undefined;
  readonly status: QuicProxyNodeStatus;
  /** Of its QuicProxyNode: what it is to run. */
  readonly generation: number;
  /** Whether there is a backend, without which no proxy is ready. */
  readonly expectsReady: boolean;
  readonly nowMs: number;
}

/** Why a new pod is not taken for well yet. */
export interface Shortfall {
  readonly why: string;
  /** Whether it had its time. */
  readonly isFinal: boolean;
  /** When to look again where nothing else happens, in milliseconds. */
  readonly againMs: number;
}

/** A container that is refused or ends may only be early: for a volume, a registry, memory of the pod before it. */
const TROUBLE_MS = 15_000;
const START_MS = 120_000;
/** One that ends within this time of its start, or of getting ready, is not well. */
const SETTLE_MS = 10_000;
const DROPS_MS = 60_000;
/** Less is noise of a restart: packets of connections that the former proxy knew. */
const DROP_SHARE_MIN = 0.01;
const RECEIVED_MIN_PER_SECOND = 100;

/** What a new pod lacks of what its predecessor was; undefined: nothing. Pure. */
export function shortfallOf(newcomer: Newcomer): Shortfall | undefined {
  const { pod, nowMs } = newcomer;
  const after = (why: string, limitMs: number): Shortfall => {
    const leftMs = limitMs - elapsedMs(nowMs, pod.createdAtMs);
    return { why, isFinal: leftMs <= 0, againMs: leftMs };
  };
  if (pod.trouble !== undefined) return after(`pod ${pod.name}: ${pod.trouble}`, TROUBLE_MS);
  const lack = lackOf(newcomer);
  if (lack !== undefined) return after(lack, START_MS);
  const settleLeftMs = SETTLE_MS - elapsedMs(nowMs, pod.changedAtMs);
  if (settleLeftMs > 0) {
    const restarted = pod.restarts === 0 ? "" : ` after ${pod.restarts} restarts`;
    const why = `pod ${pod.name} is watched for ${SETTLE_MS / 1000} s${restarted}`;
    // One that restarts again and again is never there for so long.
    const isFinal = pod.restarts > 0 && elapsedMs(nowMs, pod.createdAtMs) > START_MS;
    return { why, isFinal, againMs: settleLeftMs };
  }
  const drops = dropsOf(newcomer);
  return drops === undefined ? undefined : after(drops, DROPS_MS);
}

function lackOf({ pod, record, status, generation, expectsReady }: Newcomer): string | undefined {
  if (!pod.started) return `waits for pod ${pod.name} to start`;
  const mustBeReady = expectsReady && record?.wasReady !== false;
  const reason = (status.message ?? "") === "" ? "" : `: ${status.message}`;
  if (mustBeReady && !pod.ready) return `waits for pod ${pod.name} to become ready${reason}`;
  if (mustBeReady && status.ready !== true) return `waits for the proxy in pod ${pod.name} to report that it is ready`;
  if (status.appliedGeneration === generation) return undefined;
  return `waits for the proxy in pod ${pod.name} to run the present settings${reason}`;
}

function dropsOf({ pod, record, status }: Newcomer): string | undefined {
  const share = dropShareOf(status);
  if (record === undefined || share < DROP_SHARE_MIN || share <= 2 * record.dropShare) return undefined;
  const percent = (of: number): string => `${(100 * of).toPrecision(2)} %`;
  return `pod ${pod.name} drops ${percent(share)} of what it receives, the one before it dropped ${percent(record.dropShare)}`;
}

/** 0 where too little is received to tell. */
export function dropShareOf({ rates }: QuicProxyNodeStatus): number {
  if (rates === undefined) return 0;
  const received = rates.receivedPerSecond + rates.returnedPerSecond;
  return received >= RECEIVED_MIN_PER_SECOND ? Math.min(1, rates.droppedPerSecond / received) : 0;
}
