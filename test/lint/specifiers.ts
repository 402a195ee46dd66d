import { parseAst } from "rolldown/parseAst";

/** What a TypeScript file imports, as it stands there: imports and re-exports of values and types, also `import("...")`. */
export function specifiersOf(text: string, name: string): string[] {
  const found = new Set<string>();
  collect(parseAst(text, { lang: "ts" }, name), found);
  return [...found];
}

function collect(node: unknown, found: Set<string>): void {
  if (typeof node !== "object" || node === null) return;
  if ("source" in node) addLiteral(node.source, found);
  for (const part of Object.values(node)) collect(part, found);
}

function addLiteral(source: unknown, found: Set<string>): void {
  if (typeof source !== "object" || source === null) return;
  if ("value" in source && typeof source.value === "string") found.add(source.value);
}
