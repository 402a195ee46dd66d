import { describe, expect, it } from "vitest";
import { proxyMeasure } from "../../../../proxy/metrics/proxy_measure.ts";
import type { CountersReport } from "../../../../proxy/metrics/report.ts";

type Cells = Partial<CountersReport["backends"][number]>;

/** As far as the doctor looks at it. */
function report(uptimeMs: number, totals: Partial<CountersReport["totals"]>, backends: readonly Cells[]) {
  const zero = {
    receive_datagrams: 0,
    forward_sent: 0,
    hand_off_dropped_ring_full: 0,
    route_dropped_budget: 0,
    route_dropped_table_full: 0,
    route_dropped_no_socket: 0,
    route_dropped_no_backend: 0,
  };
  return { uptimeMs, totals: { ...zero, ...totals }, backends } as unknown as CountersReport;
}

const backend = (forwarded: number, returned: number, refused = 0, address = "10.0.0.7"): Cells => ({
  address,
  port: 4433,
  forwarded,
  returned,
  refused,
});

describe("what a proxy counted between two reports", () => {
  it("is the difference of each cause", () => {
    const before = report(1000, { receive_datagrams: 50, route_dropped_budget: 3 }, []);
    const after = report(
      2000,
      {
        receive_datagrams: 150,
        forward_sent: 60,
        hand_off_dropped_ring_full: 5,
        route_dropped_budget: 10,
        route_dropped_table_full: 11,
        route_dropped_no_socket: 12,
        route_dropped_no_backend: 13,
      },
      [],
    );
    expect(proxyMeasure(before, after)).toEqual({
      received: 100,
      forwarded: 60,
      ringFull: 5,
      refused: { budget: 7, tableFull: 11, noPort: 12, noBackend: 13 },
      backends: [],
    });
  });

  it("names backends as manifests do, and begins a new one at 0", () => {
    const before = report(1000, {}, [backend(10, 4)]);
    const after = report(2000, {}, [backend(30, 4, 2), backend(7, 0, 0, "fd00::7")]);
    expect(proxyMeasure(before, after)?.backends).toEqual([
      { name: "10.0.0.7:4433", sent: 20, answered: 0, refused: 2 },
      { name: "[fd00::7]:4433", sent: 7, answered: 0, refused: 0 },
    ]);
  });

  it("is none where the proxy was started anew in between: its counters began at 0 again", () => {
    expect(proxyMeasure(report(9000, { receive_datagrams: 50 }, []), report(400, {}, []))).toBeUndefined();
  });

  it("takes a backend whose cells were given to it anew within the window as new", () => {
    const [one] = proxyMeasure(report(1000, {}, [backend(50, 50)]), report(2000, {}, [backend(3, 0)]))!.backends;
    expect(one).toMatchObject({ sent: 0, answered: 0 });
  });
});
