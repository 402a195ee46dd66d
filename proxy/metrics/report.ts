import type { NativeEndpoint, NativeStatus } from "../apply/addon.ts";
import type { BackendCounters, CounterSnapshot, CounterTotals, WorkerCounters } from "../counters/read.ts";
import type { HealthReport } from "../health/report.ts";
import type { WorkerLoad } from "../timing/load.ts";
import type { LoadWindow } from "../timing/window.ts";

/** How often the manifest was read again, by what came of it. */
export type ReloadCounts = Record<"applied" | "rejected" | "unchanged", number>;

/** What the control side knows beside the native status. */
export interface ProxyState {
  name: string;
  namespace: string;
  version: string;
  mode: string;
  /** The manifest on disk was rejected and an older contract is in force: why. */
  staleReason: string | undefined;
  reloads: ReloadCounts;
  stopping: boolean;
  startedAtMs: number;
  /** When the contract in force was applied. */
  appliedAtMs: number;
}

/** The JSON of /counters, and the one reading that /metrics is made of. Counts are since the start of the proxy. */
export interface CountersReport {
  name: string;
  namespace: string;
  version: string;
  mode: string;
  /** Time since the start. */
  uptimeMs: number;
  ready: boolean;
  /** Empty unless `ready` is false. */
  notReadyReason: string;
  /** Empty unless the manifest on disk was rejected. */
  staleReason: string;
  reloads: ReloadCounts;
  generation: number;
  /** Changes of this host's addresses and routes that changed how backends are reached. */
  networkChanges: number;
  /** When the workers were read: CLOCK_MONOTONIC of this host. */
  readAtNs: number;
  workers: WorkerCounters[];
  /** How each worker gets on with what comes to it, since an earlier reading a second ago or more; by number. */
  load: WorkerLoad[];
  totals: CounterTotals;
  backends: BackendCounters[];
  endpoints: NativeEndpoint[];
  /** Absent where backends are not checked. */
  health?: HealthReport | undefined;
  /** Why metrics are not served where they should be; absent where they are. */
  metricsProblem?: string | undefined;
  /** Lines that the log could not take; absent where that is not known. */
  logLinesLost?: number;
  status: Omit<NativeStatus, "endpoints" | "backends">;
}

/** Milliseconds since any fixed point. */
export type Clock = () => number;

export interface ReportInput {
  state: ProxyState;
  status: NativeStatus;
  snapshot: CounterSnapshot;
  notReadyReason: string | undefined;
  networkChanges: number;
  nowMs: number;
  loads: LoadWindow;
}

export function buildReport({
  state,
  status,
  snapshot,
  notReadyReason,
  networkChanges,
  nowMs,
  loads,
}: ReportInput): CountersReport {
  const { endpoints, backends: _slots, ...levels } = status;
  const { readAtNs, workers } = snapshot;
  const uptimeMs = Math.max(0, Math.round(nowMs - state.startedAtMs));
  return {
    name: state.name,
    namespace: state.namespace,
    version: state.version,
    mode: state.mode,
    uptimeMs,
    ready: notReadyReason === undefined,
    notReadyReason: notReadyReason ?? "",
    staleReason: state.staleReason ?? "",
    reloads: { ...state.reloads },
    generation: status.generation,
    networkChanges,
    readAtNs,
    workers,
    load: loads.measure({ mode: state.mode, uptimeMs, readAtNs, workers, endpoints, status: levels }),
    totals: snapshot.totals,
    backends: snapshot.backends,
    endpoints,
    status: levels,
  };
}
