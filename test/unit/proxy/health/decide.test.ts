import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffMs, decide, holdMs, type Surroundings } from "../../../../proxy/health/decide.ts";
import { type BackendState, newBackend, type Observation, standingOf } from "../../../../proxy/health/state.ts";
import {
  ACTIVE_ONLY,
  answered,
  CONFIG,
  nothing,
  PASSIVE_ONLY,
  probes,
  surroundings,
  traffic,
  unanswered,
  unhealthy,
} from "./states.ts";

type Step = [atMs: number, observation: Observation];

function run(state: BackendState, steps: readonly Step[], around: Surroundings = surroundings()): BackendState {
  return steps.reduce((before, [atMs, seen]) => decide(before, seen, around, atMs).state, state);
}

const NOBODY_ANSWERS = { initial: { begun: 99, answered: 0 }, all: { begun: 99, answered: 0 } };
const busy = { forwarded: 30, flowsCreated: 6 };
const passive = surroundings({ config: PASSIVE_ONLY });
const quic = surroundings({
  config: PASSIVE_ONLY,
  speaksQuic: true,
  flows: { initial: { begun: 99, answered: 99 }, all: { begun: 99, answered: 99 } },
});

describe("a healthy backend", () => {
  const rows: [string, readonly Step[], Surroundings, BackendState["reason"]][] = [
    ["two of three probes unanswered", [[1000, unanswered(2)]], surroundings(), undefined],
    ["three in a row unanswered", [[1000, unanswered(3)]], surroundings(), "ProbesUnanswered"],
    [
      "three in a row over three looks",
      [1, 2, 3].map((at): Step => [at * 5000, unanswered(1)]),
      surroundings(),
      "ProbesUnanswered",
    ],
    [
      "an answer between starts the count anew",
      [[1000, probes("Unanswered", "Unanswered", "Answered", "Unanswered", "Unanswered")]],
      surroundings(),
      undefined,
    ],
    ["nobody ever answered a probe", [[1000, unanswered(9)]], surroundings({ probesCount: false }), undefined],
    ["active checks are off", [[1000, unanswered(9)]], passive, undefined],
    [
      "silent: enough flows and datagrams, time for replies",
      [
        [1000, traffic(busy)],
        [3000, nothing],
      ],
      passive,
      "Silent",
    ],
    [
      "replies may still be on their way",
      [
        [1000, traffic(busy)],
        [2900, nothing],
      ],
      passive,
      undefined,
    ],
    [
      "one datagram back",
      [
        [1000, traffic({ ...busy, returned: 1 })],
        [3000, nothing],
      ],
      passive,
      undefined,
    ],
    [
      "one datagram back later in the window",
      [
        [1000, traffic(busy)],
        [3000, traffic({ returned: 1 })],
      ],
      passive,
      undefined,
    ],
    [
      "too few flows",
      [
        [1000, traffic({ ...busy, flowsCreated: 4 })],
        [3000, nothing],
      ],
      passive,
      undefined,
    ],
    [
      "too few datagrams",
      [
        [1000, traffic({ ...busy, forwarded: 19 })],
        [3000, nothing],
      ],
      passive,
      undefined,
    ],
    [
      "enough only over two windows",
      [
        [1000, traffic({ forwarded: 15, flowsCreated: 3 })],
        [12_000, traffic({ forwarded: 15, flowsCreated: 3 })],
        [15_000, nothing],
      ],
      passive,
      undefined,
    ],
    [
      "nobody ever replied",
      [
        [1000, traffic(busy)],
        [3000, nothing],
      ],
      surroundings({ config: PASSIVE_ONLY, flows: NOBODY_ANSWERS }),
      undefined,
    ],
    [
      "silent, but it answered a probe within the window",
      [
        [1000, { ...traffic(busy), probes: ["Answered"] }],
        [3000, nothing],
      ],
      surroundings(),
      undefined,
    ],
    [
      "silent, and its last answer is older than the window",
      [
        [1000, answered(1)],
        [9000, traffic(busy)],
        [12_000, nothing],
      ],
      surroundings(),
      "Silent",
    ],
    ["refused three times", [[1000, traffic({ refused: 3 })]], passive, "Refused"],
    [
      "refused three times over the window",
      [1, 2, 3].map((at): Step => [at * 3000, traffic({ refused: 1 })]),
      passive,
      "Refused",
    ],
    ["refused twice", [[1000, traffic({ refused: 2 })]], passive, undefined],
    ["refused, but something came back", [[1000, traffic({ refused: 9, returned: 1 })]], passive, undefined],
    [
      "refused although nobody ever replied",
      [[1000, traffic({ refused: 3 })]],
      surroundings({ config: PASSIVE_ONLY, flows: NOBODY_ANSWERS }),
      "Refused",
    ],
    [
      "junk: flows that begin as no QUIC connection does",
      [
        [1000, traffic({ ...busy, forwarded: 999, flowsCreated: 99 })],
        [3000, nothing],
      ],
      quic,
      undefined,
    ],
    [
      "silent: flows that begin as QUIC does, and others answer theirs",
      [
        [1000, traffic({ ...busy, initialFlows: 6 })],
        [3000, nothing],
      ],
      quic,
      "Silent",
    ],
    [
      "forged beginnings of QUIC that the others do not answer either",
      [
        [1000, traffic({ forwarded: 999, flowsCreated: 99, initialFlows: 99 })],
        [3000, nothing],
      ],
      { ...quic, flows: { ...quic.flows, initial: { begun: 200, answered: 4 } } },
      undefined,
    ],
    [
      "silent among forged beginnings: enough that some of them would have been answered",
      [
        [1000, traffic({ forwarded: 999, flowsCreated: 600, initialFlows: 600 })],
        [3000, nothing],
      ],
      { ...quic, flows: { ...quic.flows, initial: { begun: 200, answered: 4 } } },
      "Silent",
    ],
    ["this host cannot send there", [[1000, traffic({ unsendable: 3 })]], passive, "Unsendable"],
    ["this host could not send twice", [[1000, traffic({ unsendable: 2 })]], passive, undefined],
    [
      "a filter that drops the smaller part of what is sent there",
      [[1000, traffic({ unsendable: 9, forwarded: 10 })]],
      passive,
      undefined,
    ],
    [
      "this host could not send there three times within ten seconds",
      [1, 2, 3].map((at): Step => [at * 3000, traffic({ unsendable: 1 })]),
      passive,
      undefined,
    ],
    [
      "refused and silent while passive checks are off",
      [
        [1000, traffic({ ...busy, refused: 9 })],
        [3000, nothing],
      ],
      surroundings({ config: ACTIVE_ONLY }),
      undefined,
    ],
  ];
  it.each(rows)("%s", (_, steps, around, reason) => {
    expect(run(newBackend(0), steps, around).reason).toBe(reason);
  });

  it("a reply ratio of 5 %: 5 of 100 is silence, 6 of 100 is not", () => {
    const config = { ...PASSIVE_ONLY, passive: { ...PASSIVE_ONLY.passive!, replyPercent: 5 } };
    const reasonOf = (returned: number) =>
      run(
        newBackend(0),
        [
          [1000, traffic({ forwarded: 100, flowsCreated: 9, returned })],
          [3000, nothing],
        ],
        surroundings({ config }),
      ).reason;
    expect([reasonOf(5), reasonOf(6)]).toEqual(["Silent", undefined]);
  });

  it("says the numbers behind a change", () => {
    const { transition } = decide(newBackend(0), unanswered(3), surroundings(), 1000);
    expect(transition).toEqual({
      to: "Unhealthy",
      reason: "ProbesUnanswered",
      evidence: "3 probes in a row without answer",
    });
  });
});

describe("an unhealthy backend", () => {
  const refused = unhealthy({ reason: "Refused" });
  const unanswering = unhealthy({ reason: "ProbesUnanswered", probesUnanswered: 3 });
  const again = unhealthy({ failures: 3 });
  const rows: [string, BackendState, readonly Step[], Surroundings, BackendState["reason"]][] = [
    ["two probes answered", unanswering, [[1000, answered(2)]], surroundings(), undefined],
    ["one probe answered", unanswering, [[1000, answered(1)]], surroundings(), "ProbesUnanswered"],
    ["unanswered probes outlast the back-off", unanswering, [[3_600_000, nothing]], surroundings(), "ProbesUnanswered"],
    ["active checks were switched off: the back-off counts", unanswering, [[30_000, nothing]], passive, undefined],
    ["silent, probes answered", unhealthy(), [[1000, answered(2)]], surroundings(), undefined],
    ["before the back-off", refused, [[29_999, nothing]], passive, "Refused"],
    ["after the back-off", refused, [[30_000, nothing]], passive, undefined],
    ["after the back-off, while probes fail", refused, [[30_000, unanswered(3)]], surroundings(), "Refused"],
    ["a datagram came back", refused, [[1000, traffic({ returned: 1 })]], passive, undefined],
    ["a datagram came back, and refusals", refused, [[1000, traffic({ returned: 1, refused: 1 })]], passive, "Refused"],
    [
      "the third time in a row: signs of life are not enough at once",
      again,
      [[59_999, answered(2)]],
      surroundings(),
      "Silent",
    ],
    [
      "the third time in a row: signs of life after half the back-off",
      again,
      [[60_000, answered(2)]],
      surroundings(),
      undefined,
    ],
    ["the third time in a row: without a sign of life", again, [[119_999, nothing]], passive, "Silent"],
    ["the third time in a row: after the back-off", again, [[120_000, nothing]], passive, undefined],
  ];
  it.each(rows)("%s", (...[, state, steps, around, reason]) => {
    expect(run(state, steps, around).reason).toBe(reason);
  });

  it("the evidence of the time before it failed makes nobody healthy", () => {
    const failed = run(newBackend(0), [
      [1000, answered(5)],
      [12_000, traffic(busy)],
      [14_500, nothing],
    ]);
    expect(failed).toMatchObject({ reason: "Silent", probesAnswered: 0, samples: [] });
    expect(run(failed, [[15_000, answered(1)]]).reason).toBe("Silent");
  });

  it("counts failures in a row, and forgets them after the longest back-off", () => {
    const failing = (recoveredAtMs: number | undefined, atMs: number) =>
      run({ ...newBackend(0), failures: 2, recoveredAtMs }, [[atMs, unanswered(3)]]).failures;
    expect([failing(undefined, 1000), failing(1000, 300_999), failing(1000, 301_000)]).toEqual([1, 3, 1]);
  });
});

it("the back-off doubles up to its limit, and the hold follows one step behind", () => {
  expect([1, 2, 3, 4, 5, 99].map((failures) => backoffMs(CONFIG, failures) / 1000)).toEqual([
    30, 60, 120, 240, 300, 300,
  ]);
  expect([0, 1, 2, 3, 4, 5, 99].map((failures) => holdMs(CONFIG, failures) / 1000)).toEqual([
    0, 0, 30, 60, 120, 150, 150,
  ]);
});

const counts = fc.record({
  unsendable: fc.oneof(fc.constant(0), fc.nat(4)),
  flowsAnswered: fc.nat(3),
  initialFlows: fc.nat(5),
  initialFlowsAnswered: fc.nat(3),
  forwarded: fc.nat(60),
  returned: fc.oneof(fc.constant(0), fc.nat(3)),
  refused: fc.oneof(fc.constant(0), fc.nat(4)),
  flowsCreated: fc.nat(10),
});
const observations = fc.record({
  probes: fc.array(fc.constantFrom("Answered" as const, "Unanswered" as const), { maxLength: 3 }),
  traffic: fc.option(counts, { nil: undefined }),
});
const history = fc.array(fc.tuple(fc.integer({ min: 1, max: 20_000 }), observations), { maxLength: 120 });
const around = fc.record({
  config: fc.constantFrom(CONFIG, PASSIVE_ONLY, ACTIVE_ONLY),
  probesCount: fc.boolean(),
  speaksQuic: fc.boolean(),
  flows: fc.constantFrom(surroundings().flows, NOBODY_ANSWERS),
});

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}

describe("whatever is seen", () => {
  function walk(
    steps: readonly (readonly [number, Observation])[],
    surround: Surroundings,
    each: (before: BackendState, after: BackendState, nowMs: number) => void,
  ): void {
    let nowMs = 0;
    let state = deepFreeze(newBackend(0));
    for (const [waitMs, seen] of steps) {
      nowMs += waitMs;
      const { state: after, transition } = decide(state, deepFreeze(seen), surround, nowMs);
      expect(transition?.to ?? standingOf(state)).toBe(standingOf(after));
      expect(transition !== undefined).toBe(standingOf(after) !== standingOf(state));
      each(state, after, nowMs);
      state = deepFreeze(after);
    }
  }

  it("nothing is changed in place, and a change is told exactly when there is one", () => {
    fc.assert(fc.property(history, around, (steps, surround) => walk(steps, surround, () => {})));
  });

  it("an unhealthy backend stays so for its hold at least", () => {
    fc.assert(
      fc.property(history, around, (steps, surround) =>
        walk(steps, surround, (before, after, nowMs) => {
          if (before.reason === undefined || after.reason !== undefined) return;
          expect(nowMs - before.sinceMs).toBeGreaterThanOrEqual(holdMs(surround.config, before.failures));
        }),
      ),
    );
  });

  it("a backend that always replies, is never refused and answers its probes stays healthy", () => {
    const well = fc.record({
      probes: fc.constantFrom([], ["Answered" as const]),
      traffic: fc.record({
        forwarded: fc.nat(1000),
        returned: fc.integer({ min: 1, max: 9 }),
        refused: fc.constant(0),
        unsendable: fc.constant(0),
        flowsCreated: fc.nat(99),
        flowsAnswered: fc.nat(9),
        initialFlows: fc.nat(99),
        initialFlowsAnswered: fc.nat(9),
      }),
    });
    const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 5000 }), well), { maxLength: 60 });
    fc.assert(
      fc.property(steps, around, (all, surround) =>
        walk(all, surround, (_, after) => expect(after.reason).toBeUndefined()),
      ),
    );
  });

  it("with both checks off nobody becomes unhealthy", () => {
    const config = { ...CONFIG, active: undefined, passive: undefined };
    fc.assert(
      fc.property(history, (steps) =>
        walk(steps, surroundings({ config }), (_, after) => expect(after.reason).toBeUndefined()),
      ),
    );
  });

  it("the samples of a state never reach back beyond the window, but for one on trial", () => {
    fc.assert(
      fc.property(history, around, (steps, surround) =>
        walk(steps, surround, (_, after, nowMs) => {
          for (const { atMs } of after.samples.slice(after.onTrial ? 1 : 0))
            expect(atMs).toBeGreaterThan(nowMs - CONFIG.passive!.windowMs);
        }),
      ),
    );
  });
});
