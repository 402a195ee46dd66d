import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { judge } from "../../../../host/doctor/judge.ts";
import { formatReport } from "../../../../host/doctor/text.ts";
import { HAND_OFFS } from "../../../../host/path/hand_offs.ts";
import { VERDICTS } from "../../../../host/verdict/all.ts";
import { HISTORY } from "../../../../host/verdict/history.ts";
import { bundleOf, doctorCases } from "./cases.ts";

/* docs/doctor.md and the code say the same. */

const root = resolve(import.meta.dirname, "../../../..");
const document = readFileSync(`${root}/docs/doctor.md`, "utf8");
const flat = (text: string): string => text.replaceAll(/\s+/g, " ");
/** What stands below the heading of each verdict. */
const sections = new Map(
  document
    .split(/^#{2,3} /m)
    .slice(1)
    .map((part) => {
      const [heading = "", ...lines] = part.split("\n");
      return [heading, flat(lines.join("\n"))];
    }),
);
const headings = [...document.matchAll(/^### (.+)$/gm)].map(([, heading]) => heading);

describe.each([...VERDICTS, HISTORY].map((verdict) => [verdict.name, verdict] as const))("%s", (name, verdict) => {
  const section = sections.get(name) ?? "";

  it("has a section: what it means, what proves it", () => {
    expect(section).toMatch(/\S.{20,}/);
    if (verdict !== HISTORY) expect(section).toContain("*Proof.*");
  });

  it("has its remedies and what does not help there, word for word", () => {
    for (const line of [...verdict.remedy, ...verdict.inVain]) expect(section).toContain(`- ${line}`);
  });
});

it("no section is of a verdict that there is not, and they stand in path order", () => {
  const inPathOrder = HAND_OFFS.flatMap(({ id }) => VERDICTS.filter(({ handOff }) => handOff === id));
  expect(headings).toEqual([...inPathOrder.map(({ name }) => name), HISTORY.name]);
});

it("what the README quotes of it is in it", () => {
  const readme = readFileSync(`${root}/README.md`, "utf8");
  const quoted = /^5 consumption-mismatch[\s\S]*?\n```/m.exec(readme)?.[0].slice(0, -4);
  expect(quoted).toContain("rho");
  expect(document).toContain(quoted);
});

it("the report that it shows is the one that the incident gets", () => {
  const incident = doctorCases().find(({ file }) => file === "c01_incident.yaml")!;
  const { note: _, ...silent } = bundleOf(incident);
  expect(document).toContain(`\`\`\`\n${formatReport(judge(silent))}\`\`\`\n`);
});
