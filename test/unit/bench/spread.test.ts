import { expect, test } from "vitest";
import { renderSpread, spreadOf } from "../../bench/spread.ts";

test("of odd and even numbers of values", () => {
  expect(spreadOf([9, 1, 4])).toEqual({ min: 1, median: 4, max: 9 });
  expect(spreadOf([8, 1, 2, 4])).toEqual({ min: 1, median: 3, max: 8 });
  expect(spreadOf([5])).toEqual({ min: 5, median: 5, max: 5 });
});

test("what is the same is said once, what was never anything is a dash, what ends at nothing is not", () => {
  expect(renderSpread({ min: 1.004, median: 1.002, max: 1 }, 2)).toBe("1.00");
  expect(renderSpread({ min: 0, median: 0, max: 0 }, 2)).toBe("-");
  expect(renderSpread({ min: -2, median: -1, max: 0 }, 0)).toBe("-2 / -1 / 0");
});
