import { describe, expect, it } from "vitest";
import { Heartbeats, isBeatOnly, SILENT_AFTER_MS } from "../../../../operator/watch/heartbeats.ts";
import type { ObservedNodeObject } from "../../../../operator/world.ts";

const KEY = "media/edge.node-1";

function object(reportedAt: string | undefined, changes: Partial<ObservedNodeObject> = {}): ObservedNodeObject {
  return {
    namespace: "media",
    name: "edge.node-1",
    proxy: "edge",
    nodeName: "node-1",
    generation: 7,
    hashKey: "",
    hasBackends: false,
    digest: "d",
    drain: false,
    reportedAt,
    status: { ready: true },
    metadata: { name: "edge.node-1", namespace: "media" },
    ...changes,
  };
}

const change = (value: ObservedNodeObject | undefined, before?: ObservedNodeObject) => {
  return { key: KEY, value, before, origin: "watch" } as const;
};

describe("when a node was heard of last", () => {
  let nowMs = 0;
  const heartbeats = (): Heartbeats => {
    nowMs = 1_000_000;
    return new Heartbeats(() => nowMs);
  };

  it("counts from the report that is another, whatever time is in it", () => {
    const heard = heartbeats();
    heard.take(change(object("2026-01-01T00:00:00Z")));
    nowMs += 60_000;
    expect(heard.ageMs(KEY, 0)).toBe(60_000);
    heard.take(change(object("1999-01-01T00:00:00Z")));
    expect(heard.ageMs(KEY, 0)).toBe(0);
    nowMs += 1000;
    heard.take(change(object("1999-01-01T00:00:00Z", { generation: 8 })));
    expect(heard.ageMs(KEY, 0)).toBe(1000);
  });

  it("an operator that began a moment ago has heard everybody a moment ago", () => {
    const heard = heartbeats();
    heard.take(change(object("2020-01-01T00:00:00Z")));
    expect(heard.ageMs(KEY, 0)).toBe(0);
  });

  it("is not known where no report has a time, or the object is gone", () => {
    const heard = heartbeats();
    heard.take(change(object(undefined)));
    expect(heard.ageMs(KEY, 0)).toBeUndefined();
    heard.take(change(object("a")));
    heard.take(change(undefined, object("a")));
    expect(heard.ageMs(KEY, 0)).toBeUndefined();
  });

  it("does not grow while the watch itself gives no sign of life", () => {
    const heard = heartbeats();
    heard.take(change(object("a")));
    nowMs += 600_000;
    expect(heard.ageMs(KEY, 600_000)).toBe(0);
    expect(heard.ageMs(KEY, 700_000)).toBe(0);
  });

  it("what was said while the watch was away has time to come in", () => {
    const heard = heartbeats();
    heard.take(change(object("a")));
    nowMs += 600_000;
    heard.resumed();
    expect(heard.ageMs(KEY, 0)).toBeLessThan(SILENT_AFTER_MS);
    nowMs += 30_000;
    expect(heard.ageMs(KEY, 0)).toBe(SILENT_AFTER_MS);
  });
});

describe("a report that says nothing new", () => {
  it("is a sign of life and no work", () => {
    expect(isBeatOnly(change(object("b"), object("a")))).toBe(true);
  });

  it.each([
    ["another state", change(object("b", { status: { ready: false } }), object("a"))],
    ["the first report", change(object("b"))],
    ["a change by the operator", change(object("a", { generation: 8 }), object("a"))],
    ["the end of a silence", change(object("b"), object("a", { status: { readiness: "Unknown" } }))],
  ])("is none: %s", (_, one) => expect(isBeatOnly(one)).toBe(false));
});
