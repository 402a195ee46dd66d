import { describe, expect, it } from "vitest";
import { LoadWindow } from "../../../../proxy/timing/window.ts";
import { fakeReport } from "../metrics/reports.ts";

/** Worker 0 has worked so long by then. */
const at = (nowMs: number, busyMs: number) => fakeReport({ nowMs, fill: (region) => region.setBusy(0, busyMs * 1e6) });

const busyShares = (readings: [nowMs: number, busyMs: number][]): number[] => {
  const window = new LoadWindow();
  return readings.map(([nowMs, busyMs]) => window.measure(at(nowMs, busyMs))[0]!.busyShare);
};

describe("LoadWindow", () => {
  it("measures since the start, then since an earlier reading that is a second old", () => {
    expect(
      busyShares([
        [4000, 400],
        [5000, 1400],
        [6000, 1400],
      ]),
    ).toEqual([0.1, 1, 0]);
  });

  it("does not get shorter by those who ask all the time", () => {
    const asked = busyShares([
      [4000, 0],
      [4200, 0],
      [5000, 500],
      [5100, 600],
      [5300, 800],
      [6000, 1500],
    ]);
    expect(asked[2]).toBe(0.5);
    expect(asked[3]).toBeCloseTo(600 / 1100);
    expect(asked[4]).toBeCloseTo(800 / 1300);
    expect(asked[5]).toBe(1);
  });

  it("is as long as the time between two scrapes where these are rare", () => {
    expect(
      busyShares([
        [15_000, 0],
        [30_000, 3000],
      ]),
    ).toEqual([0, 0.2]);
  });
});
