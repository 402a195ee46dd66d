import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { differenceOf } from "../../../../host/path/difference.ts";

const TWO_TO_32 = 2n ** 32n;
const within = (width: 32 | "word", seconds = 10) => ({ width, seconds });

describe("what a counter did", () => {
  it.each([
    ["rises", 5n, 12n, within("word"), 7],
    ["stands still", 5n, 5n, within(32), 0],
    ["was not read at first", undefined, 5n, within(32), undefined],
    ["is not read any more", 5n, undefined, within(32), undefined],
    ["wraps at 2^32 (1 Mpps: each 71 minutes)", TWO_TO_32 - 10n, 20n, within(32), 30],
    ["wraps in a device's register of 32 bits (i40e)", TWO_TO_32 - 10n, 20n, within("word"), 30],
    ["is a sum over CPUs, of which one wrapped", TWO_TO_32 + 10n, 16n, within(32), 6],
    ["is set back: the driver was loaded anew", 3_000_000_000n, 5n, within(32), "restarted"],
    ["falls by little: the socket was opened again", 36_324n, 12n, within(32), "restarted"],
    ["has 64 bits and falls", TWO_TO_32 * 9n, 5n, within("word"), "restarted"],
    ["is more than a number holds: garbage of a bundle", 0n, 10n ** 30n, within("word"), "restarted"],
  ] as const)("%s", (...row) => {
    const [, before, after, how, expected] = row;
    expect(differenceOf(before, after, how)).toBe(expected);
  });

  it("is never negative, and never more than could happen after a fall", () => {
    const counter = fc.bigInt({ min: 0n, max: 2n ** 64n });
    fc.assert(
      fc.property(counter, counter, fc.double({ min: 0.1, max: 600, noNaN: true }), (before, after, seconds) => {
        const difference = differenceOf(before, after, { width: 32, seconds });
        if (typeof difference !== "number") return;
        expect(difference).toBeGreaterThanOrEqual(0);
        if (after < before) expect(difference).toBeLessThanOrEqual(20_000_000 * Math.max(1, seconds));
      }),
    );
  });
});
