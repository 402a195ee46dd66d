import { createHash } from "node:crypto";

/** Texts of objects that are part of many. */
const shared = new WeakMap<object, string>();

/**
 * JSON with sorted keys: equal values give equal texts. Written by hand because a thousand objects are planned at a time,
 * and JSON.stringify with a replacer makes two objects of each that it meets.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const known = shared.get(value);
  if (known !== undefined) return known;
  if (Array.isArray(value)) return `[${value.map((part) => (isJson(part) ? canonicalJson(part) : "null")).join(",")}]`;
  const parts: string[] = [];
  for (const key of sortedKeys(value)) {
    const part = (value as Record<string, unknown>)[key];
    if (isJson(part)) parts.push(`${JSON.stringify(key)}:${canonicalJson(part)}`);
  }
  return `{${parts.join(",")}}`;
}

/** Remembers the text of an object that nobody changes and that becomes part of many others. */
export function share<T extends object>(value: T): T {
  if (!shared.has(value)) shared.set(value, canonicalJson(value));
  return value;
}

/** 16 hexadecimal digits that differ where values differ. */
export function digestOf(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("hex").slice(0, 16);
}

function isJson(value: unknown): boolean {
  return value !== undefined && typeof value !== "function" && typeof value !== "symbol";
}

const STARTS_WITH_DIGIT = /^[0-9]/;

/** An object has keys that are whole numbers before all others, and digests are kept in the API server. */
function sortedKeys(value: object): string[] {
  const keys = Object.keys(value).sort();
  if (!keys.some((key) => STARTS_WITH_DIGIT.test(key))) return keys;
  return Object.keys(Object.fromEntries(keys.map((key) => [key, undefined])));
}
