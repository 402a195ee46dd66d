/** What one suite, or one command of CI with all that is in it, took and brought. */
export interface Spent {
  name: string;
  /** Absent where nothing is built first. */
  buildSeconds?: number;
  runSeconds: number;
  /** Tests; absent where there are none. */
  counts?: { passed: number; failed: number; skipped: number };
}

const headings = ["", "build min", "run min", "passed", "failed", "skipped"];

function minutes(seconds: number | undefined): string {
  return seconds === undefined ? "" : (seconds / 60).toFixed(1);
}

function cellsOf({ name, buildSeconds, runSeconds, counts }: Spent): string[] {
  const tests = counts === undefined ? ["", "", ""] : [counts.passed, counts.failed, counts.skipped].map(String);
  return [name, minutes(buildSeconds), minutes(runSeconds), ...tests];
}

/** The time of all rows: a command holds its suites, so that commands alone count where there are any. */
function total(suites: readonly Spent[], commands: readonly Spent[]): Spent {
  const counted = commands.length > 0 ? commands : suites;
  const seconds = counted.reduce((sum, { buildSeconds = 0, runSeconds }) => sum + buildSeconds + runSeconds, 0);
  return { name: "total", runSeconds: seconds };
}

/** A table of minutes, one line per suite, then one per command, then the total of both columns. */
export function minutesTable(suites: readonly Spent[], commands: readonly Spent[] = []): string[] {
  const rows = [headings, ...[...suites, ...commands, total(suites, commands)].map(cellsOf)];
  const widths = headings.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  const align = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!);
  return rows.map((cells) => cells.map(align).join("  ").trimEnd());
}
