import { expect, test } from "vitest";
import { cpuOfMachine, cpuOfStat } from "../../bench/cpu.ts";

test("user and system time of a process, whatever its name holds", () => {
  const after = "S 1 2 3 4 -1 5 6 7 8 9 250 150 99 99 20 0 1 0";
  expect(cpuOfStat(`42 (nginx) ${after}`)).toBe(4_000_000);
  expect(cpuOfStat(`42 (a) b (c d) ${after}`)).toBe(4_000_000);
});

test("the machine's time is all but idle, waiting for disks, and guests, who are in user time already", () => {
  const stat = "cpu  100 20 30 5000 6000 4 5 6 7000 8000\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
  expect(cpuOfMachine(stat)).toBe((100 + 20 + 30 + 4 + 5 + 6) * 10_000);
});
