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
      settingsChanged: ["idleTimeoutMs 120000 -> 60000"],
    });
    expect(formatChanges(diffPlans(before, after))).toBe(
      "backends added: 10.0.0.7:3; backends removed: 10.0.0.7:1; weights: 10.0.0.7:2 1 -> 5; " +
        "settings: idleTimeoutMs 120000 -> 60000",
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
