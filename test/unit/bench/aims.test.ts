import { expect, test } from "vitest";
import { type Figure, renderFigures, verdictOf } from "../../bench/aims.ts";

const figure: Figure = {
  name: "CPU over nginx's",
  aim: { most: 0.7 },
  unit: "x",
  digits: 2,
  measured: { min: 0.5, median: 0.7, max: 0.9 },
};

test("the median decides", () => {
  expect(verdictOf(figure)).toBe("met");
  expect(verdictOf({ ...figure, measured: { min: 0.5, median: 0.71, max: 0.9 } })).toBe("missed");
  expect(verdictOf({ ...figure, aim: { least: 0.7 } })).toBe("met");
  expect(verdictOf({ ...figure, aim: { least: 0.71 } })).toBe("missed");
});

test("what could not be measured is not met", () => {
  expect(verdictOf({ ...figure, measured: undefined })).toBe("not measured");
  const none = { min: Number.NaN, median: Number.NaN, max: Number.NaN };
  expect(verdictOf({ ...figure, measured: none })).toBe("not measured");
  expect(renderFigures([{ ...figure, measured: none, note: "why" }])).toMatch(/<= 0\.7 x │\s+- │ not measured │ why/);
});

test("nothing at all is a figure too", () => {
  const errors = { ...figure, aim: { most: 0 }, unit: "", digits: 0, measured: { min: 0, median: 0, max: 0 } };
  expect(renderFigures([errors])).toMatch(/<= 0 │\s+0 │ met/);
});
