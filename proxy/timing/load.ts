import type { NativeEndpoint, NativeStatus } from "../apply/addon.ts";
import { counterDelta } from "../counters/rates.ts";
import type { CounterTotals, WorkerCounters } from "../counters/read.ts";
import { type SocketGrowth, socketGrowth, truesizeBytes } from "./sockets.ts";

/** What a load is worked out from: two of them, some time apart. */
export interface LoadReading {
  mode: string;
  uptimeMs: number;
  /** CLOCK_MONOTONIC. */
  readAtNs: number;
  workers: readonly WorkerCounters[];
  endpoints: readonly NativeEndpoint[];
  status: Pick<NativeStatus, "workers" | "leavingWorkers">;
}

/** How a thread gets on with what comes to it, over the time between two readings. */
export interface ThreadLoad {
  /** Share of the time that it worked, 0 to 1. */
  busyShare: number;
  /** Datagrams that one second of its work is enough for (mu); absent where it did none. */
  serviceRate?: number;
  /**
   * Datagrams that came per second, those lost before it included, divided by `serviceRate`. From 1 on what waits for it
   * grows, until there is no room. RHO_MAX: that or more, or nothing was served of what came.
   */
  rho: number;
}

export interface WorkerLoad extends ThreadLoad {
  /** Of the thread that empties the listening sockets, in mode Decoupled. */
  receiver?: ThreadLoad;
  /** Datagrams per second that come to its listening sockets beyond what is taken from them; 0 where rho is below 1. */
  surplusPerSecond: number;
  /** How long the fullest of these has room for that surplus: 0 where it overflows. Absent where there is none. */
  overflowSeconds?: number;
  /** How long an empty one would have. */
  bufferSeconds?: number;
}

export const RHO_MAX = 1000;

interface Work {
  busyNs: number;
  elapsedNs: number;
  served: number;
  /** What came and was not served: lost, or waits for longer than before. Negative: fewer wait than before. */
  unserved: number;
}

function loadOf({ busyNs, elapsedNs, served, unserved }: Work): ThreadLoad {
  const busyShare = elapsedNs > 0 ? Math.min(1, busyNs / elapsedNs) : 0;
  if (served === 0) return { busyShare, rho: unserved > 0 ? RHO_MAX : 0 };
  const rho = Math.min(RHO_MAX, (busyShare * Math.max(0, served + unserved)) / served);
  return { busyShare, rho, ...(busyNs > 0 ? { serviceRate: (served * 1e9) / busyNs } : {}) };
}

/** Of one worker between two readings. */
interface Interval {
  elapsedNs: number;
  delta: (name: keyof CounterTotals) => number;
  busyNs: number;
  receiverBusyNs: number;
  growth: SocketGrowth;
  isDecoupled: boolean;
}

/** What came to the listening sockets and was not taken. What has just come to a thread at rest is no backlog. */
function unservedAt({ growth, delta }: Interval): number {
  const grown = growth.queuedBytes / truesizeBytes(delta("receive_bytes"), delta("receive_datagrams"));
  const isBacklog = growth.waitedBefore || delta("receive_datagrams") > 0;
  return growth.drops + (isBacklog ? grown : 0);
}

function threadLoads(interval: Interval): { worker: ThreadLoad; receiver?: ThreadLoad } {
  const { elapsedNs, delta, busyNs, receiverBusyNs, isDecoupled } = interval;
  const received = delta("receive_datagrams");
  const returned = delta("return_received");
  const returnLost = delta("return_kernel_drops");
  const unserved = unservedAt(interval);
  if (!isDecoupled) {
    return { worker: loadOf({ busyNs, elapsedNs, served: received + returned, unserved: unserved + returnLost }) };
  }
  const ringLost = delta("hand_off_dropped_ring_full");
  const served = received - ringLost + returned;
  return {
    worker: loadOf({ busyNs, elapsedNs, served, unserved: ringLost + returnLost }),
    receiver: loadOf({ busyNs: receiverBusyNs, elapsedNs, served: received, unserved }),
  };
}

function surplusOf(interval: Interval, reader: ThreadLoad): Omit<WorkerLoad, keyof ThreadLoad | "receiver"> {
  const { elapsedNs, growth, delta } = interval;
  const unserved = unservedAt(interval);
  if (reader.rho < 1 || unserved <= 0 || elapsedNs <= 0) return { surplusPerSecond: 0 };
  const surplusPerSecond = (unserved * 1e9) / elapsedNs;
  const bytesPerSecond = surplusPerSecond * truesizeBytes(delta("receive_bytes"), delta("receive_datagrams"));
  if (growth.bufferBytes === 0) return { surplusPerSecond };
  return {
    surplusPerSecond,
    overflowSeconds: growth.drops > 0 ? 0 : growth.freeBytes / bytesPerSecond,
    bufferSeconds: growth.bufferBytes / bytesPerSecond,
  };
}

/** Uptimes are of another clock than readings. */
const CLOCK_TOLERANCE_MS = 1000;

/** The earlier reading, unless the proxy has started anew since. */
export function ofSameRun(previous: LoadReading | undefined, current: LoadReading): LoadReading | undefined {
  if (previous === undefined || previous.uptimeMs > current.uptimeMs) return undefined;
  const elapsedMs = (current.readAtNs - previous.readAtNs) / 1e6;
  const runsFor = current.uptimeMs - previous.uptimeMs;
  return Math.abs(elapsedMs - runsFor) <= CLOCK_TOLERANCE_MS ? previous : undefined;
}

/** Time between two readings of one run; without an earlier one, since the start. */
function elapsedOf(previous: LoadReading | undefined, current: LoadReading): number {
  return previous === undefined ? current.uptimeMs * 1e6 : Math.max(0, current.readAtNs - previous.readAtNs);
}

/**
 * The load of each worker that is there, by number. An earlier reading of another run of the proxy, or none: averages
 * since the start. Pure, and every number is finite.
 */
export function workerLoads(previous: LoadReading | undefined, current: LoadReading): WorkerLoad[] {
  const before = ofSameRun(previous, current);
  const elapsedNs = elapsedOf(before, current);
  const { workers, leavingWorkers } = current.status;
  return current.workers.slice(0, workers + leavingWorkers).map(({ counters, timing }, worker) => {
    const old = before?.workers[worker];
    const interval: Interval = {
      elapsedNs,
      delta: (name) => counterDelta(old?.counters[name] ?? 0, counters[name]),
      busyNs: Math.max(0, timing.busyNs - (old?.timing.busyNs ?? 0)),
      receiverBusyNs: Math.max(0, timing.receiverBusyNs - (old?.timing.receiverBusyNs ?? 0)),
      growth: socketGrowth(before?.endpoints, current.endpoints, worker),
      isDecoupled: current.mode === "Decoupled",
    };
    const { worker: load, receiver } = threadLoads(interval);
    return { ...load, ...(receiver ? { receiver } : {}), ...surplusOf(interval, receiver ?? load) };
  });
}
