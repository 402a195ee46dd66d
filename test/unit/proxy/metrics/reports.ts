import type { NativeBackend, NativeStatus } from "../../../../proxy/apply/addon.ts";
import { openCounters } from "../../../../proxy/counters/read.ts";
import type { HealthReport } from "../../../../proxy/health/report.ts";
import { buildReport, type CountersReport, type ProxyState } from "../../../../proxy/metrics/report.ts";
import { LoadWindow } from "../../../../proxy/timing/window.ts";
import { fakeStatus } from "../apply/fakes.ts";
import { FakeRegion } from "../counters/region.ts";

export const REPORT_WORKERS = 2;

export function fakeState(changes: Partial<ProxyState> = {}): ProxyState {
  return {
    name: "edge",
    namespace: "media",
    version: "1.2.3",
    mode: "RunToCompletion",
    staleReason: undefined,
    reloads: { applied: 2, rejected: 1, unchanged: 0 },
    stopping: false,
    startedAtMs: 0,
    appliedAtMs: 0,
    ...changes,
  };
}

export function fakeBackends(count: number): NativeBackend[] {
  return Array.from({ length: count }, (_, slot) => ({
    slot,
    address: `10.${slot >> 16}.${(slot >> 8) & 0xff}.${slot & 0xff}`,
    port: 4433,
    weight: 1,
    active: true,
    sources: ["10.0.0.1"],
  }));
}

export interface ReportChanges {
  fill?: (region: FakeRegion) => void;
  status?: Partial<NativeStatus>;
  state?: Partial<ProxyState>;
  nowMs?: number;
  notReadyReason?: string;
}

/** A report made by the real reader from a fake region. */
export function fakeReport({ fill, status, state, nowMs = 0, notReadyReason }: ReportChanges = {}): CountersReport {
  const present = fakeStatus(status);
  const region = new FakeRegion({ workers: REPORT_WORKERS, slots: Math.max(1, present.backends.length) });
  fill?.(region);
  return buildReport({
    state: fakeState(state),
    status: present,
    snapshot: openCounters(region.buffer, () => BigInt(nowMs) * 1_000_000n).read(present.backends),
    notReadyReason,
    networkChanges: 0,
    nowMs,
    loads: new LoadWindow(),
  });
}

/** One of two backends is down. */
export function fakeHealth(changes: Partial<HealthReport> = {}): HealthReport {
  return {
    active: "Running",
    passive: "Running",
    panic: false,
    healthy: 1,
    onTrial: 0,
    unhealthy: 1,
    panicThreshold: 50,
    probes: { answered: 7, unanswered: 3, unsent: 0 },
    changes: { healthy: 0, onTrial: 0, unhealthy: 1 },
    backends: {
      "10.0.0.7:4433": { state: "Healthy", reason: "", evidence: "", forMs: 9000 },
      "10.0.0.8:4433": { state: "Unhealthy", reason: "Refused", evidence: "3 refusals", forMs: 1000 },
    },
    ...changes,
  };
}
