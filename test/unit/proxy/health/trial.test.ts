import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decide, type Surroundings } from "../../../../proxy/health/decide.ts";
import { type BackendState, newBackend, type Observation, standingOf } from "../../../../proxy/health/state.ts";
import {
  ACTIVE_ONLY,
  answered,
  CONFIG,
  nothing,
  PASSIVE_ONLY,
  surroundings,
  traffic,
  unanswered,
  unhealthy,
} from "./states.ts";

const passive = surroundings({ config: PASSIVE_ONLY });
const NOBODY_ANSWERS = { initial: { begun: 99, answered: 0 }, all: { begun: 99, answered: 0 } };
const NOBODY_ASKS = { initial: { begun: 0, answered: 0 }, all: { begun: 0, answered: 0 } };
/** When the trial begins. */
const START_MS = 30_000;

type Step = [afterMs: number, observation: Observation];

const onTrial: BackendState = decide(unhealthy({ reason: "Refused" }), nothing, passive, START_MS).state;

/** Steps are counted from the beginning of the trial. */
function goOn(steps: readonly Step[], around: Surroundings = passive): BackendState {
  return steps.reduce((before, [afterMs, seen]) => decide(before, seen, around, START_MS + afterMs).state, onTrial);
}

describe("how a trial begins", () => {
  it("with the end of the back-off, and is said", () => {
    expect(decide(unhealthy({ reason: "Refused" }), nothing, passive, START_MS).transition).toEqual({
      to: "OnTrial",
      reason: undefined,
      evidence: "tried again after 30 s without a sign of life",
    });
    expect(onTrial).toMatchObject({ reason: undefined, onTrial: true, samples: [] });
  });

  it.each([
    ["probes answered", answered(2), surroundings()],
    ["a datagram came back", traffic({ returned: 1 }), passive],
  ])("not where there is a sign of life: %s", (_, seen, around) => {
    expect(standingOf(decide(unhealthy(), seen, around, 1000).state)).toBe("Healthy");
  });

  it("not for a new backend", () => expect(standingOf(newBackend(0))).toBe("Healthy"));
});

describe("how a trial ends", () => {
  const rows: [string, readonly Step[], Surroundings, string][] = [
    ["one datagram back", [[1000, traffic({ forwarded: 3, returned: 1 })]], passive, "Healthy"],
    ["a probe answered", [[1000, answered(1)]], surroundings(), "Healthy"],
    ["a probe answered, passive checks off", [[1000, answered(1)]], surroundings({ config: ACTIVE_ONLY }), "Healthy"],
    ["nothing seen for less than the longest back-off", [[299_999, nothing]], passive, "OnTrial"],
    ["nothing seen for the longest back-off", [[300_000, nothing]], passive, "Healthy"],
    [
      "flows unanswered, too few to judge by, while others answer: it goes on beyond the longest back-off",
      [
        [1000, traffic({ forwarded: 3, flowsCreated: 3 })],
        [400_000, nothing],
      ],
      passive,
      "OnTrial",
    ],
    [
      "nobody answers anything, a one-way protocol: the longest back-off ends it",
      [
        [1000, traffic({ forwarded: 300, flowsCreated: 30 })],
        [300_000, nothing],
      ],
      surroundings({ config: PASSIVE_ONLY, flows: NOBODY_ANSWERS }),
      "Healthy",
    ],
    [
      "the others have nothing to answer: the longest back-off ends it",
      [
        [1000, traffic({ forwarded: 3, flowsCreated: 3 })],
        [300_000, nothing],
      ],
      surroundings({ config: PASSIVE_ONLY, flows: NOBODY_ASKS }),
      "Healthy",
    ],
    ["one refusal", [[1000, traffic({ forwarded: 1, refused: 1 })]], passive, "Unhealthy"],
    ["one refusal, but it answers", [[1000, traffic({ forwarded: 2, refused: 1, returned: 1 })]], passive, "Healthy"],
    ["one datagram that cannot be sent", [[1000, traffic({ unsendable: 1 })]], passive, "Unhealthy"],
    ["probes unanswered", [[1000, unanswered(3)]], surroundings(), "Unhealthy"],
    [
      "silence",
      [
        [1000, traffic({ forwarded: 30, flowsCreated: 6 })],
        [3000, nothing],
      ],
      passive,
      "Unhealthy",
    ],
    [
      "silence over many windows, of which each has too few flows",
      [...Array(10).keys()].map((index): Step => [(index + 1) * 11_000, traffic({ forwarded: 3, flowsCreated: 1 })]),
      passive,
      "Unhealthy",
    ],
  ];
  it.each(rows)("%s", (_, steps, around, standing) => {
    expect(standingOf(goOn(steps, around))).toBe(standing);
  });

  it("a failure on trial is one more in a row, however long the trial was", () => {
    const late = goOn([
      [1000, traffic({ forwarded: 1, flowsCreated: 1 })],
      [900_000, traffic({ refused: 1 })],
    ]);
    expect(late).toMatchObject({ reason: "Refused", failures: 2, onTrial: false });
  });

  it("says the numbers of the whole trial", () => {
    const steps = [...Array(7).keys()].map(
      (index): Step => [(index + 1) * 11_000, traffic({ forwarded: 4, flowsCreated: 1 })],
    );
    expect(goOn(steps).evidence).toMatch(/^2\d datagrams and [56] new flows on trial, 0 datagrams back, while others/);
    expect(goOn([[5000, traffic({ refused: 1 })]]).evidence).toBe("1 ICMP refusal on trial and no datagram back");
  });
});

it("a trial of a day keeps no more samples than a window has, and one", () => {
  const steps = [...Array(86_400).keys()].map((index): Step => [(index + 1) * 1000, traffic({ forwarded: 1 })]);
  const { samples } = goOn(steps, surroundings({ config: PASSIVE_ONLY, flows: NOBODY_ASKS, speaksQuic: true }));
  expect(samples.length).toBeLessThanOrEqual(11);
});

it("whatever is seen: only who is not unhealthy is on trial, and an answer always ends it", () => {
  const counts = fc.record({ forwarded: fc.nat(30), returned: fc.nat(1), refused: fc.nat(1), flowsCreated: fc.nat(8) });
  fc.assert(
    fc.property(fc.array(counts, { maxLength: 80 }), (looks) => {
      let state: BackendState = onTrial;
      looks.forEach((look, index) => {
        const before = state;
        state = decide(
          state,
          traffic(look),
          surroundings({ config: { ...CONFIG, active: undefined } }),
          START_MS + index * 7000,
        ).state;
        expect(state.onTrial && state.reason !== undefined).toBe(false);
        if (before.onTrial && look.returned > 0) expect(state.onTrial).toBe(false);
      });
    }),
  );
});
