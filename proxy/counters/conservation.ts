import { COUNTERS, type CounterName } from "./names.generated.ts";
import type { CounterTotals } from "./read.ts";

export interface ConservationViolation {
  /** The sum that does not hold, in words of the counter names. */
  rule: string;
  entered: number;
  counted: number;
  /** Positive: datagrams without an outcome. Negative: datagrams counted twice. */
  missing: number;
}

interface Rule {
  rule: string;
  entered: readonly CounterName[];
  counted: readonly CounterName[];
}

const DROP_PREFIX = "dropped_";

function outcomesOf(stage: string, { withDrops }: { withDrops: boolean }): CounterName[] {
  return COUNTERS.filter(
    (counter) =>
      counter.stage === stage &&
      counter.kind === "Outcome" &&
      (withDrops || !(counter.outcome as string).startsWith(DROP_PREFIX)),
  ).map((counter) => counter.name);
}

const ALL = { withDrops: true };

/** The sums that native/abi/counters.def documents. */
const RULES: readonly Rule[] = [
  {
    rule: "receive_datagrams = hand_off_dropped_ring_full + sum of the parse outcomes",
    entered: ["receive_datagrams"],
    counted: [...outcomesOf("hand_off", ALL), ...outcomesOf("parse", ALL)],
  },
  {
    rule: "sum of the parse outcomes = sum of the route outcomes",
    entered: outcomesOf("parse", ALL),
    counted: outcomesOf("route", ALL),
  },
  {
    rule: "route outcomes that are not drops = sum of the forward outcomes",
    entered: outcomesOf("route", { withDrops: false }),
    counted: outcomesOf("forward", ALL),
  },
  {
    rule: "return_received = sum of the return outcomes",
    entered: ["return_received"],
    counted: outcomesOf("return", ALL),
  },
];

function sum(totals: CounterTotals, names: readonly CounterName[]): number {
  return names.reduce((total, name) => total + totals[name], 0);
}

/**
 * Which conservation sums the counters break; empty when every datagram has exactly one outcome per stage.
 * `inFlightMax`: how many datagrams a sum may be off while traffic flows, because the cells are not read at one
 * instant; 0 (the default) for a proxy at rest.
 */
export function checkConservation(totals: CounterTotals, inFlightMax = 0): ConservationViolation[] {
  return RULES.map(({ rule, entered, counted }) => {
    const enteredSum = sum(totals, entered);
    const countedSum = sum(totals, counted);
    return { rule, entered: enteredSum, counted: countedSum, missing: enteredSum - countedSum };
  }).filter(({ missing }) => Math.abs(missing) > inFlightMax);
}
