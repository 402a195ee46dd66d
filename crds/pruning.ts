import type { StructuralSchema } from "./structural.ts";

/** What a schema knows of a value, as the API server prunes: what a newer CRD added by a default is not ours to compare. */
export function pruned(value: unknown, schema: StructuralSchema): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? value : value.map((part) => pruned(part, items));
  }
  const { properties } = schema;
  if (typeof value !== "object" || value === null || properties === undefined) return value;
  const known = Object.entries(value).flatMap(([key, part]): [string, unknown][] => {
    const child = properties[key];
    return child === undefined ? [] : [[key, pruned(part, child)]];
  });
  return Object.fromEntries(known);
}
