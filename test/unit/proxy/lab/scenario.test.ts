import { describe, expect, test } from "vitest";
import { mixedOrder, planMappings } from "../../../../proxy/lab/scenario.ts";
import { planTopology } from "../../../../proxy/lab/topology.ts";

describe("mixedOrder", () => {
  test("is a permutation", () => {
    expect(mixedOrder(12, 100).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 112 }, (_, index) => index));
  });

  test("spreads the few evenly among the many", () => {
    const places = mixedOrder(4, 36).flatMap((item, place) => (item < 4 ? [place] : []));
    const gaps = places.slice(1).map((place, index) => place - places[index]!);
    expect(gaps.every((gap) => gap >= 9 && gap <= 11)).toBe(true);
  });

  test.each([
    [0, 3],
    [3, 0],
    [0, 0],
  ])("%i and %i", (few, many) => {
    expect(mixedOrder(few, many)).toHaveLength(few + many);
  });
});

describe("planMappings", () => {
  const topology = planTopology("qp1", 3);
  const plans = planMappings(topology, 8);

  test("every outer socket has an address and port of its own", () => {
    const outers = plans.flatMap(({ outer }) => outer.map(({ address, port }) => `${address} ${port}`));
    expect(new Set(outers).size).toBe(16);
  });

  test("half change the port only, half the address too, in both families", () => {
    const kinds = plans.map(({ outer, remote }) => {
      const family = remote.address.includes(":") ? "v6" : "v4";
      return `${family} ${outer[0].address === outer[1].address ? "port" : "address"}`;
    });
    expect(kinds.toSorted()).toEqual(
      ["v4 address", "v4 address", "v4 port", "v4 port"].concat(["v6 address", "v6 address", "v6 port", "v6 port"]),
    );
  });
});
