import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { evidenceLevel } from "../../../host/path/evidence.ts";
import { reports } from "../../runners.ts";
import type { Scene } from "../scene.ts";
import type { Played } from "./play.ts";

/** A line of the matrix. */
export interface MatrixRow {
  readonly fault: string;
  readonly handOff: string;
  readonly verdict: string;
  readonly seconds: string;
  /** What the verdict stands on. */
  readonly evidence: string;
  /** What the kernel's own drop reasons say at this hand-off, beside the counters. */
  readonly agreement: string;
}

const HEAD: MatrixRow = {
  fault: "fault",
  handOff: "hand-off",
  verdict: "verdict",
  seconds: "seconds",
  evidence: "evidence",
  agreement: "agreement",
};

/** What the doctor said, and not what it should have. */
export function rowOf({ fault, verdict: wanted, reason }: Scene, played: Played): MatrixRow {
  const { report, seconds, witness, agreements } = played;
  const its = agreements.find(({ reasons }) => reason !== undefined && reasons.includes(reason));
  const finding = report.findings.find(({ verdict }) => verdict === wanted);
  return {
    fault,
    handOff: finding?.handOff ?? report.firstLosing ?? "-",
    verdict: finding?.verdict ?? `${report.verdict} (not ${wanted})`,
    seconds: seconds.toFixed(1),
    evidence: evidenceLevel(witness),
    agreement: its === undefined ? "-" : `${its.kind} (${its.reasons.join(", ")})`,
  };
}

export const skippedRow = ({ fault, handOff }: Scene, reason: string): MatrixRow => ({
  fault,
  handOff,
  verdict: `not played: ${reason}`,
  seconds: "-",
  evidence: "-",
  agreement: "-",
});

export function tableOf(rows: readonly MatrixRow[]): string {
  const columns = Object.keys(HEAD) as (keyof MatrixRow)[];
  const widths = columns.map((column) => Math.max(...[HEAD, ...rows].map((row) => row[column].length)));
  const line = (row: MatrixRow): string =>
    columns
      .map((column, index) => row[column].padEnd(widths[index]!))
      .join("  ")
      .trimEnd();
  return [HEAD, ...rows].map(line).join("\n");
}

/** Prints it, and keeps it as build/reports/NAME.txt. */
export function keepTable(name: string, rows: readonly MatrixRow[]): void {
  const table = `${tableOf(rows)}\n`;
  mkdirSync(reports, { recursive: true });
  writeFileSync(join(reports, `${name}.txt`), table);
  console.log(`\n${table}`);
}
