import { expect, test } from "vitest";
import type { Measurement } from "../../bench/measure.ts";
import { ratioOf, renderRatio, renderTable, spreadOf } from "../../bench/table.ts";

const setting = { flows: 100, burst: 1 };

function measured(contender: string, round: number, processUs: number, flows = setting.flows): Measurement {
  const nothing = {
    roundTrips: 1,
    loss: 0,
    p50Us: 0,
    p99Us: 0,
    repeated: 0,
    workersUs: 0,
    togetherUs: 0,
    machineUs: 0,
  };
  return { ...nothing, ...setting, contender, round, processUs, flows };
}

test("spread of odd and even numbers of values", () => {
  expect(spreadOf([9, 1, 4])).toEqual({ min: 1, median: 4, max: 9 });
  expect(spreadOf([8, 1, 2, 4])).toEqual({ min: 1, median: 3, max: 8 });
  expect(spreadOf([5])).toEqual({ min: 5, median: 5, max: 5 });
});

test("each round is compared with itself, other settings are left out", () => {
  const rounds = [
    [10, 20],
    [30, 40],
    [9, 10],
  ] as const;
  const all = rounds.flatMap(([ours, theirs], round) => [
    measured("ours", round, ours),
    measured("theirs", round, theirs),
    measured("ours", round, 1000, 1000),
  ]);
  const ratio = ratioOf(all, ["ours", "theirs"], setting);
  const spread = { min: 0.5, median: 0.75, max: 0.9 };
  expect(ratio).toEqual({ of: "ours", to: "theirs", ...setting, ...spread, rounds: { compared: 3, of: 3 } });
  expect(renderRatio(ratio)).toBe("ours / theirs, 100 flows, evenly spaced: 0.50 / 0.75 / 0.90");
});

test("a round in which either lost datagrams is no measure", () => {
  const lossy = { ...measured("theirs", 1, 99), loss: 0.02 };
  const all = [measured("ours", 0, 1), measured("theirs", 0, 2), measured("ours", 1, 1), lossy];
  const text = renderRatio(ratioOf(all, ["ours", "theirs"], setting));
  expect(text).toContain("0.50 / 0.50 / 0.50 (1 of 2 rounds; the others lost datagrams)");
  const none = renderRatio(ratioOf(all.slice(2), ["ours", "theirs"], setting));
  expect(none).toBe("ours / theirs, 100 flows, evenly spaced: every round lost datagrams");
});

test("a round that lacks the other is no ratio", () => {
  expect(() => ratioOf([measured("ours", 0, 1)], ["ours", "theirs"], setting)).toThrow(
    "theirs was not measured in round 0",
  );
});

test("one line per contender; what was never anything is a dash", () => {
  const text = renderTable([measured("ours", 0, 12.345), measured("routed", 0, 0)], setting);
  expect(text).toMatch(/ours\s+│\s+12\.35 \/ 12\.35 \/ 12\.35/);
  expect(text).toMatch(/routed\s+│\s+- │/);
});
