import { expect, it } from "vitest";
import { parseBundle } from "../../../../host/doctor/bundle.ts";
import { formatJson } from "../../../../host/doctor/json.ts";
import { reportOf } from "../../../../host/doctor/judge.ts";
import { takeBundle } from "../../../../host/doctor/take.ts";
import { formatReport } from "../../../../host/doctor/text.ts";
import { drop, witness } from "../reading/drop_fixture.ts";
import { measures } from "../verdict/measures.ts";

const reading = (steadyMs: number) => ({ steadyMs, time: "2026-01-31T12:00:00Z", sources: {} });

it("the second witness counts from just before the first reading to just before the last", async () => {
  const events: string[] = [];
  let steadyMs = 0;
  const bundle = await takeBundle(
    { subject: { port: 443 }, windowMs: 1_000 },
    {
      read: () => {
        events.push("read");
        return reading(++steadyMs);
      },
      wait: async () => {},
      witness: ({ subject }) => {
        events.push(`begin ${subject.port}`);
        return {
          stop: () => void events.push("stop"),
          end: () => {
            events.push("end");
            return witness();
          },
        };
      },
    },
  );
  expect([events.slice(0, 2), events.slice(-4)]).toEqual([
    ["begin 443", "read"],
    ["stop", "read", "end", "end"],
  ]);
  expect(parseBundle(JSON.stringify(bundle), "b.json")).toEqual(bundle);
});

it("it ends, too, when a reading fails", async () => {
  let ended = 0;
  const taking = takeBundle(
    { subject: {}, windowMs: 1_000 },
    {
      read: () => {
        throw new Error("the namespace has ended");
      },
      wait: async () => {},
      witness: () => ({
        stop: () => {},
        end: () => {
          ended++;
          return witness();
        },
      }),
    },
  );
  await expect(taking).rejects.toThrow("the namespace has ended");
  expect(ended).toBe(1);
});

it("a bundle whose witness is nonsense is refused with the field", () => {
  const bundle = { format: "quicproxy.io/doctor-bundle/v1", subject: {}, after: reading(1), witness: { level: "x" } };
  expect(() => parseBundle(JSON.stringify(bundle), "b.json")).toThrow("b.json: witness.level is none of");
});

it("the report says what both witnesses say, and at which level of evidence", () => {
  const both = witness({ drops: [drop({ reason: "TC_EGRESS", direction: "out" }), drop({ reason: "TOMORROWS" })] });
  const report = reportOf(measures({}), both);
  expect(report).toMatchObject({ evidence: "counters + reasons", evidenceNotes: [] });
  const text = formatReport(report);
  expect(text).toContain("evidence: counters + reasons");
  expect(text).toContain("8: the kernel dropped 100 datagrams for TC_EGRESS, which no counter shows");
  expect(text).toContain("?: the kernel dropped 100 datagrams for TOMORROWS");
  expect(JSON.parse(formatJson(report)).witnessed.map(({ handOff }: { handOff: unknown }) => handOff)).toEqual([
    "8",
    null,
  ]);
});

it("without a witness it says why", () => {
  const none = witness({ level: "counters", refusals: [{ level: "reasons", why: "it needs CAP_BPF" }] });
  const report = reportOf(measures({}), none);
  expect(report.evidence).toBe("counters");
  expect(formatReport(report)).toContain("no drop reasons of the kernel: it needs CAP_BPF");
});
