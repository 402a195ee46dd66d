import { describe, expect, it } from "vitest";
import { counterDelta, counterDeltas, counterRate, counterRates } from "../../../../proxy/counters/rates.ts";

describe("rates", () => {
  it("counts from zero again after a restart instead of going negative", () => {
    expect(counterDelta(10, 25)).toBe(15);
    expect(counterDelta(1_000_000, 40)).toBe(40);
  });

  it("gives a rate per second, and none for no time", () => {
    expect(counterRate(0, 500, 250)).toBe(2000);
    expect(counterRate(0, 500, 0)).toBe(0);
  });

  it("treats a counter that was not there before as starting at zero", () => {
    expect(counterDeltas<"a" | "b">({ a: 1 }, { a: 3, b: 4 })).toEqual({ a: 2, b: 4 });
    expect(counterRates<"a" | "b">({ a: 1 }, { a: 3, b: 4 }, 2000)).toEqual({ a: 1, b: 2 });
  });
});
