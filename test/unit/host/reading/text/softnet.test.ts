import { describe, expect, it } from "vitest";
import { parseSoftnet } from "../../../../../host/reading/text/softnet.ts";
import { SOFTNET } from "../recorded/texts.ts";

const first = { cpu: 0, processed: 0x29620, dropped: 1, timeSqueeze: 2 };

describe("columns of kernels", () => {
  it.each([
    [9, first],
    [10, { ...first, receivedRps: 10 }],
    [11, { ...first, receivedRps: 10, flowLimit: 11 }],
    [13, { ...first, receivedRps: 10, flowLimit: 11, backlogLength: 12 }],
    [15, { ...first, cpu: 7, receivedRps: 10, flowLimit: 11, backlogLength: 12 }],
  ] as const)("%i", (columns, row) => {
    const { value, reason } = parseSoftnet(SOFTNET[columns]);
    expect(reason).toBeUndefined();
    expect(value![0]).toEqual(row);
  });
});

it("the row of a CPU goes by column 13, for rows of offline CPUs are left out", () => {
  expect(parseSoftnet(SOFTNET[13], [0, 1]).value!.map(({ cpu }) => cpu)).toEqual([0, 2]);
});

it("without column 13 rows are those of the CPUs that /proc/stat has, if they are as many", () => {
  const two = SOFTNET[10] + SOFTNET[10];
  const cpusOf = (online?: number[]): number[] => parseSoftnet(two, online).value!.map(({ cpu }) => cpu);
  expect(cpusOf([0, 2])).toEqual([0, 2]);
  expect(cpusOf([0, 1, 2])).toEqual([0, 1]);
  expect(cpusOf()).toEqual([0, 1]);
});

it("a row that is none keeps no other from being read, nor from its CPU", () => {
  const { value, reason } = parseSoftnet(`${SOFTNET[10]}xyz\n${SOFTNET[10]}`, [0, 4, 5]);
  expect(value!.map(({ cpu }) => cpu)).toEqual([0, 5]);
  expect(reason).toBe('1 of 3 rows are not as expected, the first: "xyz"');
});

it("a number of more than 32 bit is none of the kernel's", () => {
  expect(parseSoftnet("123456789 0 0\n")).toMatchObject({ value: undefined, reason: expect.any(String) });
});
