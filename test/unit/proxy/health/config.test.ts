import { expect, it } from "vitest";
import { backendHealth } from "../../../../crds/backend_health.ts";
import { describeConfig, planHealth } from "../../../../proxy/health/config.ts";

const planned = (spec: Parameters<typeof backendHealth.parse>[0] = {}) =>
  planHealth(backendHealth.parse({ active: {}, passive: {}, ...(spec as object) }));

it("by default the traffic tells, and nothing is sent", () => {
  expect(planned()).toEqual({
    active: undefined,
    passive: { windowMs: 10_000, minFlows: 5, minDatagrams: 20, replyPercent: 0, refusals: 3 },
    backoffMs: 30_000,
    maxBackoffMs: 300_000,
    panicThreshold: 50,
  });
});

it("an interval is never shorter than the timeout, nor the longest back-off than the first", () => {
  const config = planned({
    active: { mode: "Enabled", interval: "100ms", timeout: "2s" },
    backoff: "1h",
    maxBackoff: "1s",
  });
  expect([config.active?.intervalMs, config.maxBackoffMs]).toEqual([2000, 3_600_000]);
});

it("says what is on", () => {
  expect(describeConfig(planned({ active: { mode: "Enabled" }, passive: { mode: "Disabled" } }))).toEqual({
    activeChecks: "every 5000 ms, answer within 1000 ms, unhealthy after 3, healthy after 2",
    passiveChecks: "off",
    healthBackoff: "30000 to 300000 ms",
    panicThreshold: "50 %",
  });
});
