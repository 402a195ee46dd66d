import { describe, expect, it } from "vitest";
import { checkConservation } from "../../../../proxy/counters/conservation.ts";
import { COUNTERS, type CounterName } from "../../../../proxy/counters/names.generated.ts";
import type { CounterTotals } from "../../../../proxy/counters/read.ts";

function totals(changes: Partial<Record<CounterName, number>>): CounterTotals {
  return { ...Object.fromEntries(COUNTERS.map(({ name }) => [name, 0])), ...changes } as CounterTotals;
}

const BALANCED: Partial<Record<CounterName, number>> = {
  receive_datagrams: 11,
  hand_off_dropped_ring_full: 1,
  receive_bytes: 12_000,
  parse_long_header: 4,
  parse_short_header: 5,
  parse_malformed: 1,
  route_four_tuple_scid: 2,
  route_dcid: 3,
  route_four_tuple: 1,
  route_fallback: 2,
  route_dropped_no_socket: 2,
  forward_sent: 7,
  forward_dropped_buffer_full: 1,
  return_received: 6,
  return_sent: 5,
  return_dropped_error: 1,
  return_backend_refused: 3,
};

describe("checkConservation", () => {
  it("finds nothing where every datagram has one outcome per stage", () => {
    expect(checkConservation(totals({}))).toEqual([]);
    expect(checkConservation(totals(BALANCED))).toEqual([]);
  });

  it.each<[CounterName, number, string[]]>([
    ["receive_datagrams", 12, ["receive_datagrams = "]],
    ["hand_off_dropped_ring_full", 2, ["receive_datagrams = hand_off_dropped_ring_full"]],
    ["parse_empty", 1, ["receive_datagrams = ", "= sum of the route"]],
    ["route_dropped_source", 1, ["= sum of the route"]],
    ["route_dcid", 4, ["= sum of the route", "route outcomes that are not drops"]],
    ["forward_dropped_error", 2, ["route outcomes that are not drops"]],
    ["return_received", 9, ["return_received"]],
    ["return_dropped_too_big", 1, ["return_received"]],
  ])("names the sums that %s = %d breaks", (name, value, rules) => {
    const violations = checkConservation(totals({ ...BALANCED, [name]: value }));
    expect(violations).toHaveLength(rules.length);
    for (const [index, rule] of rules.entries()) expect(violations[index]?.rule).toContain(rule);
  });

  it("says how many datagrams are missing or counted twice", () => {
    const [lost] = checkConservation(totals({ ...BALANCED, return_received: 9 }));
    expect(lost).toMatchObject({ entered: 9, counted: 6, missing: 3 });
    const [twice] = checkConservation(totals({ ...BALANCED, return_sent: 7 }));
    expect(twice?.missing).toBe(-2);
  });

  it("allows datagrams on their way only as far as told", () => {
    const moving = totals({ ...BALANCED, return_received: 9 });
    expect(checkConservation(moving, 3)).toEqual([]);
    expect(checkConservation(moving, 2)).toHaveLength(1);
  });
});
