import { expect, test } from "vitest";
import { evidenceLevel, evidenceNotes } from "../../../../host/path/evidence.ts";
import { drop, witness } from "../reading/drop_fixture.ts";

test("the level of evidence", () => {
  expect(evidenceLevel(undefined)).toBe("counters");
  expect(evidenceLevel(witness())).toBe("counters + reasons");
  expect(evidenceLevel(witness({ level: "udp_fail" }))).toBe("counters + udp_fail");
  expect(evidenceLevel(witness({ level: "counters" }))).toBe("counters");
});

test("why it is not better", () => {
  expect(evidenceNotes(undefined)).toEqual([]);
  expect(evidenceNotes(witness())).toEqual([]);
  const why = "it needs CAP_BPF and CAP_PERFMON, and this process lacks CAP_BPF: run it as root";
  const refusals = [
    { level: "reasons", why },
    { level: "udp_fail", why },
  ] as const;
  expect(evidenceNotes(witness({ level: "counters", refusals }))).toEqual([
    `no drop reasons of the kernel, nor what it tells of full sockets: ${why}`,
  ]);
  expect(evidenceNotes(witness({ level: "udp_fail", refusals: [{ level: "reasons", why: "too old" }] }))).toEqual([
    "no drop reasons of the kernel: too old",
  ]);
});

test("a storm, and weak evidence", () => {
  const stormy = witness({ seconds: 1, stopped: { eventsPerSecond: 300_000 }, drops: [drop()], lost: 50 });
  expect(evidenceNotes(stormy)).toEqual([
    "the second witness ended after 1.0 s, because 300,000 drops a second would have cost too much to watch; its counts are " +
      "extrapolated",
    "evidence weak: 50 of 150 drops could not be looked at",
  ]);
});
