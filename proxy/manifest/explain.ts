import type { z } from "zod";
import { type Finding, formatPath, type Path } from "./fault.ts";
import { nearest } from "./nearest.ts";
import type { Recognised } from "./recognise.ts";

const OFF_WORDS = new Set(["off", "false", "no", "none", "never"]);

/** What the schema refused, in the words of a fault. The schema's own messages say what is allowed (crds/fields.ts). */
export function explain(issue: z.core.$ZodIssue, recognised: Recognised): Finding {
  const path = issue.path as Path;
  const suggestion =
    issue.code === "invalid_value" ? suggestWord(valueAt(recognised.value, path), issue.values) : undefined;
  return {
    path: formatPath(path),
    ...recognised.places.locate(path),
    what: issue.code === "invalid_key" ? "is too long a key" : recognised.places.found(path),
    allowed: issue.message,
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}

/** The value at a path of a plain value; undefined where the path leads nowhere. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((at, part) => (at as Record<string | number, unknown> | null | undefined)?.[part], value);
}

/** YAML 1.1 readers, kubectl among them, take a bare off for false: whoever writes it means the word for it here. */
function suggestWord(found: unknown, words: readonly z.core.util.Primitive[]): string | undefined {
  const names = words.filter((word) => typeof word === "string");
  const text = String(found);
  return OFF_WORDS.has(text.toLowerCase()) && names.includes("Disabled") ? "Disabled" : nearest(text, names);
}
