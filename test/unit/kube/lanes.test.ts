import { describe, expect, it } from "vitest";
import { ApiError } from "../../../kube/errors.ts";
import { Lanes } from "../../../kube/lanes.ts";

const busy = (retryAfterMs?: number) => new ApiError("busy", { status: 429, reason: "TooManyRequests", retryAfterMs });
const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

describe("lanes", () => {
  it("have no more under way than they are wide, and do each once", async () => {
    let present = 0;
    let most = 0;
    const done: number[] = [];
    const items = Array.from({ length: 40 }, (_, index) => index);
    const faults = await new Lanes({ width: 8 }).each(items, async (item) => {
      most = Math.max(most, ++present);
      await tick();
      present--;
      done.push(item);
    });
    expect([faults, most, done.sort((a, b) => a - b)]).toEqual([[], 8, items]);
  });

  it("go on after what fails, and tell of it in the order of the items", async () => {
    const done: number[] = [];
    const faults = await new Lanes({ width: 2 }).each([1, 2, 3, 4], async (item) => {
      if (item === 1) await tick();
      if (item % 2 === 1) throw new Error(`no ${item}`);
      done.push(item);
    });
    expect([faults.map(({ message }) => message), done]).toEqual([
      ["no 1", "no 3"],
      [2, 4],
    ]);
  });

  it("all wait as long as the API server asks, and then try again", async () => {
    const pauses: number[] = [];
    let isBusy = true;
    let begun = 0;
    const lanes = new Lanes({
      width: 3,
      pause: async (ms) => {
        pauses.push(ms);
        const before = begun;
        await tick();
        expect(begun).toBe(before);
        isBusy = false;
      },
    });
    const done: number[] = [];
    const faults = await lanes.each([1, 2, 3, 4, 5], async (item) => {
      begun++;
      if (isBusy) throw busy(2000);
      done.push(item);
    });
    expect([faults, pauses, done.length]).toEqual([[], [2000], 5]);
  });

  it("give up in the end, and at once where the API server does not say how long", async () => {
    let tries = 0;
    const lanes = new Lanes({ width: 1, triesMax: 3, pause: async () => {} });
    const refuse = (error: Error) => async (): Promise<void> => {
      tries++;
      throw error;
    };
    expect([await lanes.each([1], refuse(busy(1))), tries]).toEqual([[busy(1)], 3]);
    expect([await lanes.each([1], refuse(busy())), tries]).toEqual([[busy()], 4]);
  });
});
