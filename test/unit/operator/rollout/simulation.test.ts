import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { unavailableMax } from "../../../../operator/rollout/step.ts";
import { ClusterModel } from "./cluster_model.ts";

/*
 * Rollouts in a cluster in which anything happens at any time. fast-check prints the seed and the shortest course of events
 * that shows a failure.
 */

const EVENTS = [
  "die",
  "return",
  "remove",
  "crash",
  "good",
  "bad",
  "account",
  "jump",
  "nothing",
  "nothing",
  "nothing",
] as const;

interface Event {
  readonly what: (typeof EVENTS)[number];
  readonly node: number;
  /** Seconds until the next. */
  readonly seconds: number;
  /** Bits: whether the requests of this time come through. */
  readonly requests: number;
}

const events = fc.array(
  fc.record({
    what: fc.constantFrom(...EVENTS),
    node: fc.nat(9),
    seconds: fc.integer({ min: 1, max: 40 }),
    requests: fc.nat(0xffff),
  }),
  { minLength: 1, maxLength: 40 },
);
const setting = fc.record({
  count: fc.integer({ min: 1, max: 8 }),
  maxUnavailable: fc.constantFrom<number | string>(1, 2, "25%", "50%"),
  drainMs: fc.constantFrom(0, 5000),
});

function happen(model: ClusterModel, { what, node: index }: Event, count: number): void {
  const node = model.nodes[index % model.nodes.length]!;
  if (what === "die") node.alive = false;
  if (what === "return") node.alive = true;
  if (what === "remove") model.remove(node);
  if (what === "crash") model.crash(node);
  if (what === "good" || what === "bad") model.template = `${what}-${count}`;
  if (what === "account") model.accountAtMs = model.nowMs;
  if (what === "jump") model.clockOffMs = (index - 5) * 1_000_000;
}

/** Runs for some seconds, with a step of the operator in each, and sees that it never takes too much. */
function run(model: ClusterModel, seconds: number, keeps: () => boolean): void {
  const max = unavailableMax(model.limits.maxUnavailable, model.nodes.length);
  for (let second = 0; second < seconds; second++) {
    model.tick();
    model.operate(keeps);
    expect([...model.takenDown].length, `down: ${[...model.takenDown].join()}`).toBeLessThanOrEqual(max);
  }
}

describe("whatever happens", () => {
  it("no more ready proxies are taken at a time than may be away, and in the end all are as they should be", () => {
    fc.assert(
      fc.property(setting, events, ({ count, ...limits }, course) => {
        const model = new ClusterModel(count, { ...limits, paused: false });
        course.forEach((event, index) => {
          happen(model, event, index);
          let bits = event.requests;
          run(model, event.seconds, () => {
            bits = (bits >> 1) | ((bits & 1) << 15);
            return (bits & 1) === 1;
          });
        });
        for (const node of model.nodes) node.alive = true;
        model.clockOffMs = 0;
        model.template = "good-last";
        run(model, 200 + 60 * count, () => true);
        expect(model.leftovers()).toEqual([]);
        expect(model.operate(() => true)).toEqual({ actions: [], progress: undefined, againMs: undefined });
      }),
      { numRuns: 300 },
    );
  });

  it("a change that keeps proxies from getting ready takes one of them, and not the last good one either after a second", () => {
    fc.assert(
      fc.property(setting, fc.integer({ min: 1, max: 3 }), ({ count, ...limits }, changes) => {
        const model = new ClusterModel(count, { ...limits, paused: false });
        for (let change = 0; change < changes; change++) {
          model.template = `bad-${change}`;
          run(model, 300, () => true);
        }
        const ready = model.nodes.filter(({ pod }) => pod?.ready === true).length;
        expect(ready).toBe(count - 1);
        model.template = "good-0";
        run(model, 100, () => true);
        expect(model.leftovers()).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});
