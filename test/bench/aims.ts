import { drawTable } from "./round_table.ts";
import { renderSpread, type Spread } from "./spread.ts";

/** A figure that the project has set itself, and what was measured. */
export interface Figure {
  name: string;
  /** The bound; `most` for what should be small, `least` for what should be large. */
  aim: { most: number } | { least: number };
  unit: string;
  digits: number;
  /** Not a number or absent where it could not be measured. */
  measured: Spread | undefined;
  /** What a reader has to know beside it. */
  note?: string;
}

export type Verdict = "met" | "missed" | "not measured";

/** By the median: single rounds show the machine. */
export function verdictOf({ aim, measured }: Figure): Verdict {
  if (measured === undefined || Number.isNaN(measured.median)) return "not measured";
  const isMet = "most" in aim ? measured.median <= aim.most : measured.median >= aim.least;
  return isMet ? "met" : "missed";
}

export function renderFigures(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { name, aim, unit, digits, measured, note = "" } = figure;
    const bound = "most" in aim ? `<= ${aim.most}` : `>= ${aim.least}`;
    const verdict = verdictOf(figure);
    const value = measured === undefined || verdict === "not measured" ? "-" : renderValue(measured, digits);
    return [name, `${bound} ${unit}`.trim(), value, verdict, note];
  });
  return drawTable(["figure", "aim", "measured", "", ""], rows);
}

function renderValue(spread: Spread, digits: number): string {
  return spread.max === 0 && spread.min === 0 ? "0" : renderSpread(spread, digits);
}
