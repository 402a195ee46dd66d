import { expect, test } from "vitest";
import { processCost, renderRounds, renderSetting, roundTripColumns, underSetting } from "../../bench/round_table.ts";
import { measurement } from "./measurement.ts";

const setting = { flows: 100, burst: 1, train: 1, rate: 1000 };

test("one line per contender; what was never anything is a dash", () => {
  const all = [measurement("ours", 0, { processUs: 12.345 }), measurement("routed", 0)];
  const text = renderRounds("title", all, roundTripColumns);
  expect(text).toMatch(/ours\s+│\s+12\.35 │/);
  expect(text).toMatch(/routed\s+│\s+- │/);
});

test("a setting says how datagrams arrive, and selects what was measured under it", () => {
  expect(renderSetting(setting)).toBe("100 flows, evenly spaced");
  expect(renderSetting({ ...setting, burst: 16 })).toBe("100 flows, 16 at a time");
  expect(renderSetting({ ...setting, burst: 16, train: 16 })).toBe("100 flows, trains of 16");
  const all = [measurement("a", 0), measurement("b", 0, { flows: 9 }), measurement("c", 0, { train: 2 })];
  expect(underSetting(all, setting).map(({ contender }) => contender)).toEqual(["a"]);
});

test("the cost of a round with losses is no measure", () => {
  const all = [
    measurement("ours", 0, { processUs: 5, loss: 0.001 }),
    measurement("ours", 1, { processUs: 5, loss: 0.002 }),
  ];
  expect(processCost(all).map(({ value }) => value)).toEqual([5, undefined]);
});
