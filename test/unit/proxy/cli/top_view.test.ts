import { describe, expect, it } from "vitest";
import { formatBytes, formatCount, formatUptime, tableLines } from "../../../../proxy/cli/top_format.ts";
import { renderTop, type ScreenSize } from "../../../../proxy/cli/top_view.ts";
import type { CountersReport } from "../../../../proxy/metrics/report.ts";
import type { FakeRegion } from "../counters/region.ts";
import { fakeBackends, fakeHealth, fakeReport, type ReportChanges } from "../metrics/reports.ts";

const PIPE: ScreenSize = { width: 120, height: Infinity };
const RED = "\x1b[31m";

/** Datagrams that went through worker 0 and backend slot 0, and some that were dropped. */
function traffic(datagrams: number, drops = 0): (region: FakeRegion) => void {
  return (region) => {
    region.set(0, "receive_datagrams", datagrams + drops);
    region.set(0, "route_four_tuple", datagrams);
    region.set(0, "route_dropped_no_socket", drops);
    region.set(0, "forward_sent", datagrams);
    region.set(0, "return_sent", datagrams / 2);
    region.setGauge(0, "flows", 3);
    region.setBackend(0, 0, {
      forwarded: datagrams,
      forwardedBytes: datagrams * 1200,
      returned: datagrams / 2,
      flows: 3,
    });
  };
}

const at = (nowMs: number, changes: ReportChanges = {}): CountersReport => fakeReport({ nowMs, ...changes });

function render(
  previous: CountersReport | undefined,
  current: CountersReport,
  size = PIPE,
  isColored = false,
): string[] {
  return renderTop({ previous, current, size, isColored }).split("\n");
}

const cellsOf = (lines: readonly string[], start: string): string[] =>
  lines
    .find((line) => line.startsWith(start))
    ?.trim()
    .split(/ {2,}/) ?? [];

describe("renderTop", () => {
  const before = at(10_000, { fill: traffic(1000) });
  const after = at(12_000, { fill: traffic(5000, 10) });

  it("shows who it is and how far its limits are", () => {
    const text = render(before, after).slice(0, 2).join("\n");
    expect(text).toContain("media/edge  generation 1  2 workers  RunToCompletion  up 12s  ready");
    expect(text).toContain("flows 3 of 50,000");
    expect(text).toContain("upstream ConnectedSocketPool, 0 of 1,000 sockets  steering KernelHash");
  });

  it("tells of workers that leave, and forgets those that are gone", () => {
    const leaving = { ...after, status: { ...after.status, workers: 1, leavingWorkers: 1 } };
    expect(render(before, leaving)[0]).toContain("1 worker and 1 leaving");
    const gone = { ...after, status: { ...after.status, workers: 1 } };
    expect(render(before, gone)[0]).toContain("  1 worker  ");
    expect(cellsOf(render(before, gone), "1 ")).toEqual([]);
  });

  it("gives rates per second between the two readings", () => {
    const lines = render(before, after);
    expect(cellsOf(lines, "0 ")).toEqual(["0", "2,005", "2,000", "1,000", "5", "0%", "0.00", "-", "-", "3", "0"]);
    expect(cellsOf(lines, "1 ")).toEqual(["1", "0", "0", "0", "0", "0%", "0.00", "-", "-", "0", "0"]);
    expect(cellsOf(lines, "10.0.0.7:4433")).toEqual([
      "10.0.0.7:4433",
      "3",
      "2,000",
      "2.40 MB",
      "1,000",
      "0 B",
      "0",
      "0",
    ]);
    expect(cellsOf(lines, "forward")).toEqual(["forward", "sent", "2,000", "5,000"]);
  });

  it("gives averages since the start without an earlier reading, and after a restart", () => {
    const young = at(1000, { fill: traffic(500) });
    for (const previous of [undefined, after]) {
      expect(cellsOf(render(previous, young), "forward")).toEqual(["forward", "sent", "500", "500"]);
    }
  });

  it("paints drops red while they grow and yellow afterwards", () => {
    const isDrop = (line: string): boolean => line.includes("dropped_no_socket");
    expect(render(before, after, PIPE, true).find(isDrop)).toContain(RED);
    const later = at(14_000, { fill: traffic(5000, 10) });
    expect(render(after, later, PIPE, true).find(isDrop)).toContain("\x1b[33m");
    expect(render(before, before, PIPE, true).find(isDrop)).not.toContain("\x1b[3");
  });

  it("shows datagrams that the kernel dropped at the sockets", () => {
    const [endpoint] = after.endpoints;
    const lines = render(before, { ...after, endpoints: [{ ...endpoint!, kernelDrops: 8 }] });
    expect(cellsOf(lines, "socket")).toEqual(["socket", "kernel_drops", "4", "8"]);
  });

  it("shows how busy workers are, and what becomes of one that does not keep up", () => {
    const busy =
      (datagrams: number, busyNs: number, receiverNs = 0) =>
      (region: FakeRegion): void => {
        traffic(datagrams)(region);
        region.setBusy(0, busyNs);
        region.setBusy(0, receiverNs, "receiver");
        region.setTiming(0, "forwardService", 0, { 20: datagrams });
      };
    const socketsOf = (kernelDrops: number) => {
      const [endpoint] = after.endpoints;
      return {
        endpoints: [{ ...endpoint!, sockets: [{ worker: 0, receiveBuffer: 23_040_000, queued: 0, kernelDrops }] }],
      };
    };
    const early = at(10_000, { fill: busy(1000, 1e9), status: socketsOf(0) });
    const keepsUp = at(12_000, { fill: busy(5000, 2e9), status: socketsOf(0) });
    expect(cellsOf(render(early, keepsUp), "0 ").slice(5, 9)).toEqual(["50%", "0.50", "7.7us", "8.2us"]);
    const late = at(12_000, { fill: busy(5000, 3e9), status: socketsOf(2000) });
    const lines = render(early, late);
    expect(cellsOf(lines, "0 ").slice(5, 7)).toEqual(["100%", "1.50"]);
    expect(lines.join("\n")).toContain(
      "worker 0 gets 1,000 datagrams a second more than it takes: its socket buffer overflows; an empty one would last 10s",
    );
    expect(render(early, late, PIPE, true).find((line) => line.startsWith("0 "))).toContain(RED);
    const decoupled = { ...late, mode: "Decoupled" };
    expect(cellsOf(render(early, decoupled), "worker").slice(5)).toEqual([
      "busy",
      "rho",
      "rx busy",
      "rx rho",
      "p50",
      "p99",
      "flows",
      "cids",
    ]);
    const narrow = render(early, late, { width: 80, height: 30 });
    expect(cellsOf(narrow, "worker")).toEqual([
      "worker",
      "receive/s",
      "forward/s",
      "return/s",
      "drops/s",
      "busy",
      "rho",
      "p50",
      "p99",
    ]);
  });

  it("says why the proxy is not ready and why a manifest was rejected", () => {
    const current = at(1000, {
      notReadyReason: "no backend with a weight above zero",
      state: { staleReason: "edge.yaml: spec: is missing\nmore" },
      status: { backends: [] },
    });
    const text = render(undefined, current).join("\n");
    expect(text).toContain("not ready: no backend with a weight above zero");
    expect(text).toContain("manifest rejected, an older one is in force: edge.yaml: spec: is missing\n");
    expect(text).toContain("no backends");
  });
});

describe("renderTop on small screens", () => {
  const many = (nowMs: number, busy: number): CountersReport =>
    at(nowMs, {
      status: { backends: fakeBackends(10_000) },
      fill: (region) => {
        region.setBackend(1, 9_999, { forwarded: busy * 2 });
        region.setBackend(0, 5_000, { forwarded: busy });
      },
    });

  it.each([
    [80, 24],
    [120, 50],
    [40, 10],
  ])("fits into %d x %d with 10,000 backends", (width, height) => {
    const lines = render(many(1000, 10), many(2000, 500), { width, height });
    expect(lines.length).toBeLessThanOrEqual(height);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
  });

  it("shows the busiest backends first and says how many it does not show", () => {
    const lines = render(many(1000, 10), many(2000, 500), { width: 100, height: 24 });
    const first = lines.findIndex((line) => line.startsWith("backend")) + 1;
    expect(lines[first]).toMatch(/^10\.0\.39\.15:4433 +0 +980 /);
    expect(lines[first + 1]).toMatch(/^10\.0\.19\.136:4433 +0 +490 /);
    const shown = lines.filter((line) => line.startsWith("10.")).length;
    expect(lines.at(-1)).toBe(`${(10_000 - shown).toLocaleString("en-US")} backends with less traffic not shown`);
  });

  it("leaves out outcomes at zero only where there is no room", () => {
    const report = at(1000, { fill: traffic(100) });
    expect(render(undefined, report).join("\n")).toContain("table_full");
    const small = render(undefined, report, { width: 100, height: 24 }).join("\n");
    expect(small).not.toContain("table_full");
    expect(small).toMatch(/\d+ at zero not shown/);
  });
});

describe("numbers", () => {
  it.each([
    [0, "0"],
    [0.44, "0.4"],
    [9.6, "9.6"],
    [12.4, "12"],
    [12_345, "12,345"],
    [999_999, "999,999"],
    [1_234_567, "1.23M"],
    [9_876_543_210, "9.88G"],
  ])("formatCount(%d) is %s", (value, text) => expect(formatCount(value)).toBe(text));

  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1200, "1.20 kB"],
    [2_400_000, "2.40 MB"],
    [125_000_000_000, "125 GB"],
  ])("formatBytes(%d) is %s", (value, text) => expect(formatBytes(value)).toBe(text));

  it.each([
    [900, "0s"],
    [185_000, "3m05s"],
    [7_620_000, "2h07m"],
    [367_200_000, "4d06h"],
  ])("formatUptime(%d) is %s", (value, text) => expect(formatUptime(value)).toBe(text));

  it("aligns numbers to the right", () => {
    expect(
      tableLines(
        ["a", "b"],
        [
          ["x", "10"],
          ["yy", "5"],
        ],
      ),
    ).toEqual(["a    b", "x   10", "yy   5"]);
  });
});

describe("backend health", () => {
  const backends = ["10.0.0.7", "10.0.0.8"].map((address, slot) => {
    return { slot, address, port: 4433, weight: 1 - slot, active: true, sources: [] };
  });
  const shown = (changes: Parameters<typeof fakeHealth>[0] = {}, isColored = false): string[] =>
    render(undefined, { ...at(1000, { status: { backends } }), health: fakeHealth(changes) }, PIPE, isColored);

  it("names the reason beside a backend that gets no new flow for it", () => {
    expect(cellsOf(shown(), "10.0.0.7:4433")[0]).toBe("10.0.0.7:4433");
    expect(cellsOf(shown(), "10.0.0.8:4433")[0]).toBe("10.0.0.8:4433 (unhealthy: Refused)");
    expect(shown({}, true).find((line) => line.includes("10.0.0.8"))).toContain(RED);
  });

  it("names a backend on trial", () => {
    const tried = { state: "OnTrial", reason: "", evidence: "tried again after 30 s", forMs: 1000 } as const;
    const lines = shown({ onTrial: 1, unhealthy: 0, backends: { "10.0.0.7:4433": tried } });
    expect(cellsOf(lines, "10.0.0.7:4433")[0]).toBe("10.0.0.7:4433 (on trial)");
  });

  it("says that there is panic, and that active checks are suspended", () => {
    expect(shown().join("\n")).not.toMatch(/panic|suspended/);
    expect(shown({ panic: true }).join("\n")).toContain(
      "panic: 1 of 2 backends healthy, at least 50 % wanted: all are treated as healthy",
    );
    expect(shown({ active: "Suspended" }).join("\n")).toContain("active checks suspended");
  });
});
