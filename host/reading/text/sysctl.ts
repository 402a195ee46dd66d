import { type Parsed, quoted, wordsOf } from "./columns.ts";

const FOLDER = "proc/sys/";

/** A file of /proc/sys/net: numbers, most often one; net.ipv4.udp_mem has three. */
export function parseSysctl(text: string): Parsed<number[]> {
  const numbers = wordsOf(text).map((word) => (/^-?\d{1,19}$/.test(word) ? Number(word) : Number.NaN));
  if (numbers.length === 0 || numbers.length > 64 || numbers.some(Number.isNaN)) {
    return { value: undefined, reason: `no numbers: ${quoted(text)}` };
  }
  return { value: numbers };
}

/**
 * The dotted name of a source below proc/sys, as sysctl(8) writes it: a dot within the name of an interface becomes a slash.
 * undefined: no such source.
 */
export function sysctlName(source: string): string | undefined {
  if (!source.startsWith(FOLDER)) return undefined;
  const parts = source.slice(FOLDER.length).split("/");
  return parts.map((part) => part.replaceAll(".", "/")).join(".");
}
