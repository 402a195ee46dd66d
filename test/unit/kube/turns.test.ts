import { describe, expect, it } from "vitest";
import { inTurns } from "../../../kube/turns.ts";

function burn(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

function* work(pieces: number): Generator<undefined, number> {
  for (let piece = 0; piece < pieces; piece++) {
    burn(2);
    yield;
  }
  return pieces;
}

describe("turns between the steps of long work", () => {
  it("come, though many works go on at once", async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const results = await Promise.all(Array.from({ length: 5 }, () => inTurns(work(20))));
    clearInterval(timer);
    expect(results).toEqual([20, 20, 20, 20, 20]);
    // 200 ms of work in stretches of about 10.
    expect(turns).toBeGreaterThanOrEqual(8);
  });

  it("pass on what a step throws", async () => {
    const failing = function* (): Generator<undefined, never> {
      yield;
      throw new Error("no further");
    };
    await expect(inTurns(failing())).rejects.toThrow("no further");
  });
});
