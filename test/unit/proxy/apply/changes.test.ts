import { describe, expect, it } from "vitest";
import { countChanges, diffPlans, formatChanges } from "../../../../proxy/apply/changes.ts";
import { fakePlan } from "./fakes.ts";

const backend = (port: number, weight = 1) => ({ address: "10.0.0.7", port, weight });

describe("diffPlans", () => {
  it("tells added and removed backends, weights and settings apart", () => {
    const before = fakePlan({ backends: [backend(1), backend(2)], settings: { idleTimeoutMs: 120_000, batch: 64 } });
    const after = fakePlan({ backends: [backend(2, 5), backend(3)], settings: { idleTimeoutMs: 60_000, batch: 64 } });
    expect(diffPlans(before, after)).toEqual({
      backendsAdded: ["10.0.0.7:3"],
      backendsRemoved: ["10.0.0.7:1"],
      weightsChanged: ["10.0.0.7:2 1 -> 5"],
      serverIdsChanged: [],
      keysChanged: [],
      settingsChanged: ["idleTimeoutMs 120000 -> 60000"],
    });
    expect(formatChanges(diffPlans(before, after))).toBe(
      "backends added: 10.0.0.7:3; backends removed: 10.0.0.7:1; weights: 10.0.0.7:2 1 -> 5; " +
        "settings: idleTimeoutMs 120000 -> 60000",
    );
  });

  it("tells server IDs of the same backends and keys of the same rotation apart, and shows no key", () => {
    const key = (octet: number) => new Uint8Array(16).fill(octet);
    const before = fakePlan({
      backends: [backend(1), backend(2)],
      serverIds: new Map([["10.0.0.7:1", "aa"]]),
      quicLbKeys: new Map([
        [0, key(0xaa)],
        [1, key(0xbb)],
      ]),
    });
    const after = fakePlan({
      backends: [backend(1), backend(2), backend(3)],
      serverIds: new Map([
        ["10.0.0.7:1", "bb"],
        ["10.0.0.7:2", "cc"],
        ["10.0.0.7:3", "dd"],
      ]),
      quicLbKeys: new Map([
        [0, key(0xaa)],
        [1, key(0xbc)],
        [2, key(0xcc)],
      ]),
    });
    expect(formatChanges(diffPlans(before, after))).toBe(
      "backends added: 10.0.0.7:3; server IDs: 10.0.0.7:1 aa -> bb, 10.0.0.7:2 none -> cc; QUIC-LB keys: rotation 1",
    );
  });

  it("says so where nothing changed", () => {
    expect(formatChanges(diffPlans(fakePlan(), fakePlan()))).toContain("nothing changed");
  });

  it("keeps the log line short for very many backends", () => {
    const many = fakePlan({ backends: Array.from({ length: 10_000 }, (_, index) => backend(index + 1)) });
    const changes = diffPlans(fakePlan({ backends: [] }), many);
    expect(countChanges(changes)).toMatchObject({ backendsAdded: 10_000, backendsRemoved: 0 });
    const text = formatChanges(changes);
    expect(text).toContain("and 9995 more");
    expect(text.length).toBeLessThan(200);
  });
});
