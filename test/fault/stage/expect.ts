import { expect } from "vitest";
import { formatReport } from "../../../host/doctor/text.ts";
import type { Scene } from "../scene.ts";
import { moved } from "./counters.ts";
import type { Played } from "./play.ts";

/** The fault is what it says it is: its counters moved, and those that it leaves alone did not. */
export function expectFault({ moves, still = [] }: Scene, { before, after }: Played): void {
  for (const [name, least] of Object.entries(moves)) {
    expect(moved(name, before, after), `${name} moves`).toBeGreaterThanOrEqual(least);
  }
  for (const name of still) expect(moved(name, before, after), `${name} stands still`).toBe(0);
}

/** The doctor names hand-off, cause, remedy and exit code, and no loss before the first one. */
export function expectVerdict(scene: Scene, { report }: Played): void {
  const said = formatReport(report);
  const finding = report.findings.find(({ verdict }) => verdict === scene.verdict);
  expect(finding, said).toBeDefined();
  expect(finding!.handOff, said).toBe(scene.handOff);
  expect(report.exitCode, said).toBe(scene.exitCode);
  if (scene.exitCode === 1) expect(report.firstLosing, said).toBe(scene.handOff);
  expect(finding!.remedy.join("\n")).toMatch(scene.remedy);
  expect(finding!.proof.length, said).toBeGreaterThan(0);
}
