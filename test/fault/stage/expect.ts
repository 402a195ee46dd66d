import { readFileSync } from "node:fs";
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
  if (scene.exitCode === 1) {
    expect(report.firstLosing, said).toBe(scene.handOff);
    expect(report.verdict, said).toBe(scene.first ?? scene.verdict);
  }
  expect(finding!.remedy.join("\n")).toMatch(scene.remedy);
  expect(finding!.proof.length, said).toBeGreaterThan(0);
}

/** Readings and witness begin and end one after the other; on a busy machine that is a while. */
const FACTOR = 2;

/** The second witness names the kernel's reason, and as often as the counter says; where this kernel has such a name. */
export function expectReason({ reason }: Scene, { witness, agreements, report }: Played): void {
  if (reason === undefined || witness.level !== "reasons" || !kernelKnows(reason)) return;
  const its = agreements.find(({ reasons }) => reasons.includes(reason));
  expect(its, `${reason} is named: ${JSON.stringify(agreements)}\n${formatReport(report)}`).toBeDefined();
  expect(its!.skbs).toBeGreaterThanOrEqual(GATE);
  if (!its!.counted) return;
  expect(its!.skbs, its!.text).toBeGreaterThan(its!.counted / FACTOR);
  expect(its!.skbs, its!.text).toBeLessThan(its!.counted * FACTOR);
}

/** Fewer are no loss to the doctor either. */
const GATE = 10;

/** As the kernel's types name it, which is where the doctor has its names from. */
const kernelKnows = (reason: string): boolean =>
  readFileSync("/sys/kernel/btf/vmlinux").includes(`SKB_DROP_REASON_${reason}\0`);
