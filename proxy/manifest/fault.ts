/** One thing wrong in a text. Line and column count from 1; 0 where it is of the file as a whole. */
export interface Finding {
  /** Where in the document, such as spec.listeners[0].port; empty for the whole. */
  readonly path: string;
  readonly line: number;
  readonly column: number;
  /** What is wrong, with the value found. */
  readonly what: string;
  /** What would be right there. */
  readonly allowed: string;
  /** The nearest valid name or word. */
  readonly suggestion?: string;
}

/** One thing wrong with a manifest file. */
export interface Fault extends Finding {
  readonly file: string;
}

export type Path = readonly (string | number)[];

const FOUND_MAX_LENGTH = 60;

/** "spec.listeners[0].port"; a key that is no plain word is quoted: metadata.labels["a/b"]. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    if (!/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/.test(part)) return `${text}[${quote(part)}]`;
    return text === "" ? part : `${text}.${part}`;
  }, "");
}

/** One line for people and editors: FILE:line:col: path: what; allowed: ...; did you mean `X`? */
export function formatFault(fault: Fault): string {
  const where = fault.line > 0 ? `${fault.file}:${fault.line}:${fault.column}` : fault.file;
  const path = fault.path === "" ? "" : ` ${fault.path}:`;
  const suggestion = fault.suggestion === undefined ? "" : `; did you mean \`${fault.suggestion}\`?`;
  return `${where}:${path} ${fault.what}; allowed: ${fault.allowed}${suggestion}`;
}

/** A text in quotes, shortened, with nothing in it that a terminal would obey. */
export function quote(text: string): string {
  const short = text.length > FOUND_MAX_LENGTH ? `${text.slice(0, FOUND_MAX_LENGTH)}…` : text;
  const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(short).replace(/[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, escaped);
}

/** Findings in the order of the file. */
export function inFileOrder(file: string, findings: readonly Finding[]): Fault[] {
  return findings.map((finding) => ({ file, ...finding })).sort((a, b) => a.line - b.line || a.column - b.column);
}
