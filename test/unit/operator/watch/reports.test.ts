import { describe, expect, it } from "vitest";
import type { QuicProxyNodeStatus } from "../../../../crds/status_schema.ts";
import { reportSettleMs } from "../../../../operator/watch/reports.ts";
import type { ObservedNodeObject } from "../../../../operator/world.ts";

const RATES = {
  receivedPerSecond: 1,
  forwardedPerSecond: 1,
  returnedPerSecond: 1,
  droppedPerSecond: 0,
  droppedTotal: 0,
  flows: 1,
};

function object(status: QuicProxyNodeStatus, generation = 7): ObservedNodeObject {
  return {
    namespace: "media",
    name: "edge.node-1",
    proxy: "edge",
    nodeName: "node-1",
    generation,
    hashKey: "",
    hasBackends: false,
    drain: false,
    digest: "d",
    reportedAt: undefined,
    status,
    metadata: { name: "edge.node-1", namespace: "media" },
  };
}

const settle = (before: ObservedNodeObject | undefined, value: ObservedNodeObject | undefined) =>
  reportSettleMs({ key: "media/edge.node-1", before, value, origin: "watch" });

describe("a report of a node", () => {
  const before = object({ ready: true, appliedGeneration: 7, rates: RATES });

  it("waits for those of others, longer where only numbers are new", () => {
    expect(settle(before, object({ ...before.status, appliedGeneration: 8 }))).toBe(250);
    expect(settle(before, object({ ...before.status, rates: { ...RATES, flows: 2 } }))).toBe(10_000);
  });

  it("is none where the object is another, new or gone", () => {
    expect(settle(before, object(before.status, 8))).toBeUndefined();
    expect(settle(undefined, before)).toBeUndefined();
    expect(settle(before, undefined)).toBeUndefined();
  });
});
