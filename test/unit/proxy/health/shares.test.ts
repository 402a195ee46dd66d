import { expect, it } from "vitest";
import { areSameShares, shareWeights, TRIAL_SHARE, WHOLE_SHARES } from "../../../../proxy/health/shares.ts";

const nameOf = ({ name }: { name: string }): string => name;
const one = (name: string): ReadonlySet<string> => new Set([name]);

it("everybody has his weight where nobody is drained or on trial", () => {
  const backends = [{ name: "a", weight: 3 }];
  expect(shareWeights(backends, WHOLE_SHARES, nameOf)).toBe(backends);
});

it("who is drained gets nothing, who is on trial a sixteenth, the others what they had", () => {
  const backends = ["a", "b", "c"].map((name) => ({ name, weight: 3 }));
  const weights = shareWeights(backends, { drained: one("a"), onTrial: one("b") }, nameOf).map(({ weight }) => weight);
  expect(weights).toEqual([0, 3 * TRIAL_SHARE, 3]);
});

it("shares are compared by what is in them", () => {
  expect(areSameShares(WHOLE_SHARES, { drained: new Set(), onTrial: new Set() })).toBe(true);
  expect(areSameShares({ ...WHOLE_SHARES, onTrial: one("a") }, { ...WHOLE_SHARES, onTrial: one("b") })).toBe(false);
  expect(areSameShares({ ...WHOLE_SHARES, onTrial: one("a") }, { ...WHOLE_SHARES, drained: one("a") })).toBe(false);
});
