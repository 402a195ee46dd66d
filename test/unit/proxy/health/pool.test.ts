import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  countStandings,
  decidePool,
  EMPTY_POOL,
  type Pool,
  sharesOf,
  withBackends,
} from "../../../../proxy/health/pool.ts";
import { type Observation, TRAFFIC_CELLS, type Traffic } from "../../../../proxy/health/state.ts";
import { answered, CONFIG, PASSIVE_ONLY, traffic, unanswered } from "./states.ts";

const NAMES = ["a", "b", "c", "d"];
const drainedOf = (pool: Pool) => sharesOf(pool).drained;
const countHealthy = (pool: Pool) => countStandings(pool).Healthy;
const poolOf = (names: readonly string[] = NAMES, config = CONFIG) => withBackends(EMPTY_POOL, names, config, 0);

function see(pool: Pool, seen: Record<string, Observation>, nowMs = 1000, config = CONFIG): Pool {
  return decidePool(pool, new Map(Object.entries(seen)), config, nowMs).pool;
}

describe("panic", () => {
  const failing = (count: number) => {
    const seen = NAMES.map((name, index): [string, Observation] => [name, index < count ? unanswered(3) : answered(1)]);
    const first = see(poolOf(), { d: answered(1) });
    return see(first, Object.fromEntries(seen));
  };

  it.each([
    [0, false, []],
    [1, false, ["a"]],
    [2, false, ["a", "b"]],
    [3, true, []],
    [4, true, []],
  ])("%i of 4 fail, threshold 50 %%: panic %s", (count, panic, drained) => {
    const pool = failing(count);
    expect([pool.panic, [...drainedOf(pool)], countHealthy(pool)]).toEqual([panic, drained, 4 - count]);
  });

  it("threshold 0: only when none is left", () => {
    const config = { ...CONFIG, panicThreshold: 0 };
    const first = see(poolOf(), { d: answered(1) }, 500, config);
    const three = see(first, { a: unanswered(3), b: unanswered(3), c: unanswered(3) }, 1000, config);
    expect([three.panic, [...drainedOf(three)]]).toEqual([false, ["a", "b", "c"]]);
    const none = see(three, { d: unanswered(3) }, 2000, config);
    expect([none.panic, [...drainedOf(none)]]).toEqual([true, []]);
  });

  it("threshold 100: one that fails is enough", () => {
    const config = { ...CONFIG, panicThreshold: 100 };
    expect(see(see(poolOf(), { d: answered(1) }, 500, config), { a: unanswered(3) }, 1000, config).panic).toBe(true);
  });

  it("ends when enough are healthy again", () => {
    const recovered = see(failing(4), { a: answered(2), b: answered(2) }, 2000);
    expect([recovered.panic, [...drainedOf(recovered)]]).toEqual([false, ["c", "d"]]);
  });
});

describe("on trial", () => {
  const config = PASSIVE_ONLY;
  const refuse = (...names: string[]) => Object.fromEntries(names.map((name) => [name, traffic({ refused: 3 })]));
  const tried = (...names: string[]) =>
    see(see(poolOf(NAMES, config), refuse(...names), 1000, config), {}, 31_000, config);

  it("one of four: a small share, and no panic", () => {
    const pool = tried("a");
    expect(sharesOf(pool)).toEqual({ drained: new Set(), onTrial: new Set(["a"]) });
    expect([pool.panic, countStandings(pool)]).toEqual([false, { Healthy: 3, OnTrial: 1, Unhealthy: 0 }]);
  });

  it("all: the panic ends, and all get the same small share, which is as much as before", () => {
    const pool = tried(...NAMES);
    expect([pool.panic, [...sharesOf(pool).onTrial], sharesOf(pool).drained.size]).toEqual([false, NAMES, 0]);
  });

  it("in a panic who is on trial gets his share like the others: they would get more than he", () => {
    const one = tried("a");
    const others = see(one, refuse("b", "c", "d"), 32_000, { ...config, panicThreshold: 50 });
    expect([others.panic, sharesOf(others)]).toEqual([true, { drained: new Set(), onTrial: new Set() }]);
    expect(countStandings(others)).toEqual({ Healthy: 0, OnTrial: 1, Unhealthy: 3 });
  });

  it("a manifest keeps the trial of who stays", () => {
    expect([...sharesOf(withBackends(tried("a"), ["a", "e"], config, 40_000)).onTrial]).toEqual(["a"]);
  });
});

describe("a pool in which nobody ever answers", () => {
  it("suspends active checks once everybody was asked often enough, and nobody is unhealthy", () => {
    const some = see(poolOf(), { a: unanswered(3), b: unanswered(3), c: unanswered(3), d: unanswered(2) });
    expect([some.suspended, countHealthy(some)]).toEqual([false, 4]);
    const all = see(some, { d: unanswered(1) });
    expect([all.suspended, all.panic, countHealthy(all)]).toEqual([true, false, 4]);
  });

  it("the first answer ends it, and then who does not answer is unhealthy", () => {
    const all = see(poolOf(), Object.fromEntries(NAMES.map((name) => [name, unanswered(3)])));
    const later = see(all, { a: answered(1), b: answered(1), c: answered(1) }, 2000);
    expect([later.suspended, [...drainedOf(later)]]).toEqual([false, ["d"]]);
  });

  it("a one-way protocol: silence is no fault until somebody replies", () => {
    const config = PASSIVE_ONLY;
    const mute = Object.fromEntries(NAMES.map((name) => [name, traffic({ forwarded: 99, flowsCreated: 9 })]));
    const silent = see(see(poolOf(NAMES, config), mute, 1000, config), {}, 4000, config);
    expect(countHealthy(silent)).toBe(4);
    const answering = { d: traffic({ returned: 90, flowsCreated: 90, flowsAnswered: 90, forwarded: 90 }) };
    const replied = see(see(silent, answering, 5000, config), {}, 7100, config);
    expect([...replied.backends].filter(([, { reason }]) => reason).map(([name]) => name)).toEqual(["a", "b", "c"]);
    expect(replied.panic).toBe(true);
  });
});

describe("another manifest", () => {
  const before = see(see(poolOf(), { d: answered(1) }), { a: unanswered(3) });

  it("keeps what is known of who stays and tries who is new", () => {
    const after = withBackends(before, ["a", "d", "e"], CONFIG, 5000);
    expect([...after.backends].map(([name, { reason }]) => [name, reason])).toEqual([
      ["a", "ProbesUnanswered"],
      ["d", undefined],
      ["e", undefined],
    ]);
    expect([...drainedOf(after)]).toEqual(["a"]);
  });

  it("panics when only unhealthy ones stay", () => {
    const after = withBackends(before, ["a"], CONFIG, 5000);
    expect([after.panic, [...drainedOf(after)]]).toEqual([true, []]);
  });

  it("without backends there is nothing to panic about", () => {
    const after = withBackends(before, [], CONFIG, 5000);
    expect([after.panic, after.suspended]).toEqual([false, false]);
  });
});

it("whatever is seen, the share that gets new flows is all, or at least the threshold and at least one", () => {
  const name = fc.constantFrom(...NAMES);
  const seen = fc.record({
    probes: fc.array(fc.constantFrom("Answered" as const, "Unanswered" as const), { maxLength: 4 }),
    traffic: fc.option(
      fc.record({
        ...Object.fromEntries(TRAFFIC_CELLS.map((cell) => [cell, fc.nat(4)])),
        forwarded: fc.nat(60),
        returned: fc.nat(1),
        flowsCreated: fc.nat(10),
      } as Record<keyof Traffic, fc.Arbitrary<number>>),
      { nil: undefined },
    ),
  });
  const looks = fc.array(fc.dictionary(name, seen), { maxLength: 60 });
  fc.assert(
    fc.property(
      looks,
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: 1, max: 4 }),
      (all, panicThreshold, size) => {
        const config = { ...CONFIG, panicThreshold };
        let pool = poolOf(NAMES.slice(0, size), config);
        all.forEach((look, index) => {
          pool = see(pool, look, 1000 * (index + 1), config);
          const left = size - drainedOf(pool).size;
          expect(left).toBeGreaterThan(0);
          expect(left === size || left * 100 >= panicThreshold * size).toBe(true);
        });
      },
    ),
  );
});
