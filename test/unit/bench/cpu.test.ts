import { expect, test } from "vitest";
import { cpuOfMachine, cpuOfSchedstat, packetThreads, readCpu } from "../../bench/cpu.ts";

test("a thread's time on a CPU is the first number", () => {
  expect(cpuOfSchedstat("431791000 2733086 3\n")).toBe(431_791);
});

test("the machine's time is all but idle, waiting for disks, and guests, who are in user time already", () => {
  const stat = "cpu  100 20 30 5000 6000 4 5 6 7000 8000\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
  expect(cpuOfMachine(stat)).toBe((100 + 20 + 30 + 4 + 5 + 6) * 10_000);
});

test("of this process: time that grows, and no packet thread", () => {
  const before = readCpu(process.pid);
  expect(before.workers).toBe(0);
  expect(packetThreads(process.pid)).not.toContain(process.pid);
  while (readCpu(process.pid).process <= before.process) packetThreads(process.pid);
  expect(readCpu(undefined).process).toBe(0);
});
