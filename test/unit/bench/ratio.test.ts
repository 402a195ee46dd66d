import { expect, test } from "vitest";
import { compareRounds, renderRatio } from "../../bench/ratio.ts";

const value = (contender: string, round: number, number: number | undefined) => ({ contender, round, value: number });

test("each round is compared with itself", () => {
  const rounds = [
    [10, 20],
    [30, 40],
    [9, 10],
  ] as const;
  const all = rounds.flatMap(([ours, theirs], round) => [value("ours", round, ours), value("theirs", round, theirs)]);
  const ratio = compareRounds(all, ["ours", "theirs"]);
  expect(ratio).toEqual({ of: "ours", to: "theirs", min: 0.5, median: 0.75, max: 0.9, rounds: { compared: 3, of: 3 } });
  expect(renderRatio(ratio)).toBe("ours / theirs: 0.50 / 0.75 / 0.90");
  const difference = compareRounds(all, ["ours", "theirs"], (a, b) => a - b);
  expect(difference).toMatchObject({ min: -10, median: -10, max: -1 });
});

test("a round that is no measure of either is left out, and that is said", () => {
  const all = [
    value("ours", 0, 1),
    value("theirs", 0, 2),
    value("ours", 1, 1),
    value("theirs", 1, undefined),
    value("ours", 2, undefined),
    value("theirs", 2, 1),
  ];
  expect(renderRatio(compareRounds(all, ["ours", "theirs"]))).toBe(
    "ours / theirs: 0.50 (1 of 3 rounds; the others lost datagrams)",
  );
  const none = compareRounds(all.slice(2), ["ours", "theirs"]);
  expect(renderRatio(none)).toBe("ours / theirs: every round lost datagrams");
});

test("a round that lacks the other is no ratio", () => {
  expect(() => compareRounds([value("ours", 0, 1)], ["ours", "theirs"])).toThrow("theirs was not measured in round 0");
});
