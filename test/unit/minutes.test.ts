import { expect, test } from "vitest";
import { minutesTable, type Spent } from "../minutes.ts";

const counts = { passed: 312, failed: 0, skipped: 1 };
const suites: Spent[] = [
  { name: "native-asan", buildSeconds: 150, runSeconds: 30, counts },
  { name: "unit", runSeconds: 63, counts: { ...counts, passed: 9 } },
];

test("a line per suite, and the sum of building and running", () => {
  expect(minutesTable(suites)).toEqual([
    "             build min  run min  passed  failed  skipped",
    "native-asan        2.5      0.5     312       0        1",
    "unit                        1.1       9       0        1",
    "total                       4.0",
  ]);
});

test("commands hold the suites: they alone make the sum", () => {
  const commands = [
    { name: "make lint", runSeconds: 360 },
    { name: "make test", runSeconds: 300 },
  ];
  const lines = minutesTable(suites, commands);
  expect(lines.slice(3)).toEqual([
    "make lint                   6.0",
    "make test                   5.0",
    "total                      11.0",
  ]);
});
