import { describe, expect, it } from "vitest";
import { formatBundle, parseBundle } from "../../../../host/doctor/bundle.ts";
import { judge } from "../../../../host/doctor/judge.ts";
import { formatReport } from "../../../../host/doctor/text.ts";
import { bundleOf, doctorCases } from "./cases.ts";

const cases = doctorCases();
/** As the text reads without its line breaks. */
const flat = (text: string): string => text.replaceAll(/\s+/g, " ");

describe.each(cases.map((one) => [one.file, one] as const))("%s", (_, one) => {
  const { expected } = one;
  const report = judge(parseBundle(formatBundle(bundleOf(one)), one.file));

  it("is judged as a good doctor would", () => {
    const { exitCode, verdict, firstLosing } = report;
    expect({ exit: exitCode, verdict, handOff: firstLosing }).toEqual({
      exit: expected.exit,
      verdict: expected.verdict,
      handOff: expected.handOff,
    });
  });

  it("finds nothing besides", () => {
    const names = report.findings.map(({ verdict }) => verdict);
    expect(names).toEqual(expected.findings ?? [expected.verdict]);
  });

  it("says what proves it and what to do", () => {
    const text = flat(formatReport(report));
    for (const part of expected.says ?? []) expect(text).toContain(part);
    expect(text).not.toMatch(/NaN|Infinity|undefined|\{[a-z-]+\}/);
  });
});

it("all public reports of the facts are among the cases, each with whose it was", () => {
  const reports = cases.filter(({ file }) => file.startsWith("c"));
  const numbers = new Set(reports.map(({ file }) => Number(file.slice(1, 3))));
  expect([...numbers]).toEqual(Array.from({ length: 28 }, (_, place) => place + 1));
  // The first is the one that this command was made for.
  expect(reports.filter(({ file, sources }) => !sources?.length && !file.startsWith("c01"))).toEqual([]);
});
