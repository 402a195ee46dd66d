import { describe, expect, it } from "vitest";
import type { NativeBackend, NativeEndpoint } from "../../../../proxy/apply/addon.ts";
import { findNotReady, findUnhealthy } from "../../../../proxy/metrics/health.ts";
import { fakeStatus } from "../apply/fakes.ts";
import { fakeReport, fakeState } from "./reports.ts";

describe("findUnhealthy", () => {
  const status = fakeStatus({ generation: 3 });
  const { workers } = fakeReport({
    fill: (region) => {
      region.setGauge(0, "generation", 3);
      region.setGauge(1, "generation", 2);
    },
  });

  it("names a worker that has not turned to the present contract in time", () => {
    expect(findUnhealthy(fakeState(), status, workers, 5000)).toContain("worker 1 runs on generation 2");
  });

  it("gives workers time after a reload", () => {
    expect(findUnhealthy(fakeState({ appliedAtMs: 1 }), status, workers, 5000)).toBeUndefined();
  });

  it("asks nothing of a worker that is no more", () => {
    expect(findUnhealthy(fakeState(), fakeStatus({ generation: 3, workers: 1 }), workers, 5000)).toBeUndefined();
  });

  it("is content when all workers are there", () => {
    expect(findUnhealthy(fakeState(), status, workers.slice(0, 1), 5000)).toBeUndefined();
  });
});

describe("findNotReady", () => {
  it("needs a listening endpoint, a serving backend and a proxy that goes on", () => {
    const [endpoint] = fakeStatus().endpoints as [NativeEndpoint];
    expect(findNotReady(fakeState(), fakeStatus())).toBeUndefined();
    expect(findNotReady(fakeState({ stopping: true }), fakeStatus())).toContain("stopping");
    expect(findNotReady(fakeState(), fakeStatus({ endpoints: [{ ...endpoint, skipped: "" }] }))).toContain("endpoint");
    expect(findNotReady(fakeState(), fakeStatus({ backends: [] }))).toContain("backend");
  });

  it("needs a way to at least one backend", () => {
    const [backend] = fakeStatus().backends as [NativeBackend];
    const away = { ...backend, slot: 1, sources: [] };
    expect(findNotReady(fakeState(), fakeStatus({ backends: [away] }))).toContain("no route");
    expect(findNotReady(fakeState(), fakeStatus({ backends: [away, backend] }))).toBeUndefined();
  });

  it("stays ready while a manifest on disk is rejected", () => {
    expect(findNotReady(fakeState({ staleReason: "spec: is missing" }), fakeStatus())).toBeUndefined();
  });
});
