import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { formatJson } from "../../../../host/doctor/json.ts";
import { judge, reportOf } from "../../../../host/doctor/judge.ts";
import { formatReport } from "../../../../host/doctor/text.ts";
import type { Measures } from "../../../../host/path/measures.ts";
import { link, measures, moved, reading, socket, udp4 } from "../verdict/measures.ts";
import { bundleOf, doctorCases, quietHost } from "./cases.ts";

const report = (own: Partial<Measures>) => reportOf(measures(own));
const rowOf = (own: Partial<Measures>, wanted: string) => report(own).rows.find(({ handOff }) => handOff === wanted);

describe("the text", () => {
  it("of a clean host is this", () => {
    const golden = readFileSync(resolve(import.meta.dirname, "../../../fixtures/doctor/quiet_host.txt"), "utf8");
    const { note: _, ...bundle } = bundleOf({ note: "", seconds: 10, ...quietHost() });
    expect(formatReport(judge(bundle))).toBe(golden);
  });

  it("fits 100 columns, and every hand-off has its row", () => {
    for (const one of doctorCases()) {
      const lines = formatReport(judge(bundleOf(one))).split("\n");
      // A command is not cut.
      expect(lines.filter((line) => line.length > 100 && line.trim().includes(" ", 40))).toEqual([]);
    }
  });

  it("shows five of a verdict and counts the rest: a host with thousands of ports", () => {
    const sockets = Array.from({ length: 2000 }, (_, place) =>
      socket({
        of: { localPort: 1000 + place, inode: 1000 + place },
        drops: 500,
        queueBytes: [0, 0],
      }),
    );
    const text = formatReport(report({ sockets, udp: udp4({ inErrors: 1e6, receiveBufferErrors: 1e6 }) }));
    expect(text.match(/^5 burst/gm)).toHaveLength(5);
    expect(text).toContain("and 1995 more of this verdict");
  });
});

describe("a row", () => {
  it("is not refreshed while the driver counts more slowly than the window is long", () => {
    const gve = link({ of: { driver: { name: "gve" }, driverStats: [{ name: "rx_queue_drop_cnt[0]", value: 0n }] } });
    const own = { links: [{ ...gve, isRefreshed: false }] };
    expect(rowOf(own, "1")).toMatchObject({ state: "not refreshed", why: expect.stringContaining("--for 40s") });
    expect(report(own)).toMatchObject({ exitCode: 2, verdict: "could-not-tell" });
    expect(rowOf({ ...own, seconds: 30 }, "1")).toMatchObject({ state: "clean" });
  });

  it("is restarted where a counter was set back, and no verdict follows", () => {
    const own = { restarted: [{ handOff: "1", what: "eth0 rx_missed_errors" }] } as const;
    expect(rowOf(own, "1")).toMatchObject({ state: "restarted", why: "eth0 rx_missed_errors" });
    expect(report(own).exitCode).toBe(2);
  });

  it("is not seen where nothing could be read, with the reason, and the path is not called clean", () => {
    const missing = new Map([["proc/net/softnet_stat", "reading it needs root"]]);
    const own = { cpus: undefined, after: reading({ missing }) };
    expect(rowOf(own, "2")).toMatchObject({ state: "not seen", why: "proc/net/softnet_stat: reading it needs root" });
    expect(report(own)).toMatchObject({
      exitCode: 2,
      doubts: ["2 softirq backlog: proc/net/softnet_stat: reading it needs root"],
    });
  });

  it.each([
    ["a port nobody uses", { subject: { port: 9 }, sockets: [socket({ isSubject: false })] }, "5", "UDP port 9"],
    ["an interface that there is not", { subject: { interface: "eth7" }, links: [] }, "1", "no interface eth7"],
  ] as const)("%s: not seen, exit code 2", (_, own, handOff, why) => {
    expect(rowOf(own, handOff)).toMatchObject({ state: "not seen", why: expect.stringContaining(why) });
    expect(report(own).exitCode).toBe(2);
  });

  it("of the cloud is seen only where a device has counters of it", () => {
    expect(rowOf({}, "0")).toMatchObject({ state: "not seen" });
    const ena = moved("ena", "pps_allowance_exceeded", 0, {
      driverStats: [{ name: "pps_allowance_exceeded", value: 0n }],
    });
    expect(rowOf({ links: [ena] }, "0")).toMatchObject({ state: "clean" });
  });
});

describe("the answer", () => {
  it("possible loss is exit code 2, not 1: nobody knows the counter", () => {
    expect(report({ links: [moved("nobody_knows", "rx_fifo_overrun", 500)] })).toMatchObject({
      exitCode: 2,
      verdict: "could-not-tell",
      firstLosing: undefined,
    });
  });

  it("warnings are exit code 0", () => {
    expect(report({ links: [moved("ixgbe", "tx_flow_control_xoff", 500)] })).toMatchObject({
      exitCode: 0,
      verdict: "clean",
    });
  });

  it("names the largest loss of the first losing hand-off", () => {
    const two = report({
      links: [moved("ice", "rx_pg_alloc_fail", 20), moved("mlx5_core", "rx_crc_errors_phy", 500)],
      udp: udp4({ inErrors: 9000, checksumErrors: 9000 }),
    });
    expect(two).toMatchObject({ exitCode: 1, firstLosing: "1", verdict: "damaged-frames" });
  });

  it("as JSON has no holes: what is not known is null", () => {
    const document = JSON.parse(formatJson(report({ links: [moved("nobody_knows", "rx_fifo_overrun", 500)] })));
    expect(document).toMatchObject({
      format: "quicproxy.io/doctor-report/v1",
      evidence: "counters",
      firstLosing: null,
      findings: [{ verdict: "unknown-device-counter", datagrams: null, share: null }],
    });
    expect(Object.keys(document).sort()).toEqual(
      [
        ...[
          "doubts",
          "evidence",
          "evidenceNotes",
          "exitCode",
          "findings",
          "firstLosing",
          "format",
          "kernelRelease",
          "missing",
        ],
        ...["rates", "rows", "seconds", "subject", "time", "verdict", "witnessed"],
      ].sort(),
    );
  });
});
