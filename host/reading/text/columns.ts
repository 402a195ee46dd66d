/*
 * What the parsers of text have in common. Whatever stands in a text, none of them throws: a bundle may come from
 * anybody. None is believed beyond what a counter can be, and nothing is printed as it came.
 */

/** What was made of a source; the reason says what is not there, or not whole. */
export interface Parsed<Value> {
  readonly value: Value | undefined;
  readonly reason?: string;
}

const LARGEST = (1n << 64n) - 1n;

/** An unsigned number of 64 bit, in decimal; undefined for anything else. */
export function decimal(word: string | undefined): bigint | undefined {
  if (word === undefined || !/^\d{1,20}$/.test(word)) return undefined;
  const value = BigInt(word);
  return value <= LARGEST ? value : undefined;
}

/** An unsigned number of 32 bit in hexadecimal, as %08x prints it; undefined for anything else. */
export function hexadecimal32(word: string | undefined): number | undefined {
  return word !== undefined && /^[0-9a-f]{1,8}$/i.test(word) ? Number.parseInt(word, 16) : undefined;
}

/** A number that JavaScript counts exactly. */
export function exactNumber(word: string | undefined): number | undefined {
  const value = decimal(word);
  return value !== undefined && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}

/** Without those that are empty. */
export const linesOf = (text: string): string[] => text.split("\n").filter((line) => line.trim() !== "");

export const wordsOf = (line: string): string[] => line.trim().split(/\s+/);

const LONGEST_TEXT = 4096;

/** Names and reasons as they may be shown: nothing in them moves a terminal's cursor or turns the direction of a line. */
export function printable(text: string): string {
  return text.slice(0, LONGEST_TEXT).replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, "?");
}

/** The beginning of what was not understood, for reasons. */
export const quoted = (text: string): string => JSON.stringify(printable(text.slice(0, 60)));

/** Rows that could be read; the reason counts those that could not. No row at all is a table without entries. */
export function parseRows<Row>(lines: readonly string[], parse: (line: string) => Row | undefined): Parsed<Row[]> {
  const rows: Row[] = [];
  let wrong = 0;
  let first = "";
  for (const line of lines) {
    const row = parse(line);
    if (row !== undefined) rows.push(row);
    else if (wrong++ === 0) first = line;
  }
  if (wrong === 0) return { value: rows };
  const reason = `${wrong} of ${lines.length} rows are not as expected, the first: ${quoted(first)}`;
  return rows.length > 0 ? { value: rows, reason } : { value: undefined, reason };
}
