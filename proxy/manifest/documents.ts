import { type Document, isMap, isScalar, LineCounter, type ParsedNode, parseAllDocuments, type YAMLError } from "yaml";
import { KIND } from "../../crds/schema.ts";
import { type Finding, quote } from "./fault.ts";
import { nearest } from "./nearest.ts";

export type ManifestDocument = Document.Parsed<ParsedNode>;

const SYNTAX: Readonly<Record<string, readonly [what: string, allowed: string]>> = {
  TAB_AS_INDENT: ["a tab is used as indentation", "spaces"],
  TAG_RESOLVE_FAILED: ["has a tag of its own", "plain YAML without !tags"],
  RESOURCE_EXHAUSTION: ["is nested too deeply", "at most a few levels, as the shape of a QuicProxy has them"],
};

/** The YAML of a manifest: the document to validate, if there is one, and what is wrong with the text as YAML. */
export interface Documents {
  readonly document: ManifestDocument | undefined;
  readonly faults: Finding[];
  readonly lines: LineCounter;
}

/**
 * Splits a text into YAML documents and picks the QuicProxy. A syntax error ends the search for other faults: what a
 * YAML parser makes of the rest is a guess. Duplicate keys are left to the walk, which knows their paths (and the
 * parser's own check takes quadratic time).
 */
export function splitDocuments(text: string): Documents {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const documents = "empty" in parsed ? [] : parsed.filter((document) => !isBlank(document));
  const errors = ("empty" in parsed ? [...parsed.errors, ...parsed.warnings] : []).concat(
    ...("empty" in parsed ? [] : parsed.map(({ errors, warnings }) => [...errors, ...warnings])),
  );
  if (errors.length > 0) return { document: undefined, faults: syntaxFaults(errors, lines), lines };
  if (documents.length === 0) return { document: undefined, faults: [emptyFault()], lines };
  const document = documents.find((candidate) => kindOf(candidate) === KIND) ?? documents[0];
  return { document, faults: surplusFaults(documents, document, lines), lines };
}

function isBlank({ contents }: ManifestDocument): boolean {
  return contents === null || (isScalar(contents) && contents.value === null);
}

/** One slip makes a YAML parser complain several times; the first complaint of a line is the one that helps. */
function syntaxFaults(errors: readonly YAMLError[], lines: LineCounter): Finding[] {
  const byLine = new Map<number, Finding>();
  for (const { code, message, pos } of errors) {
    const { line, col } = lines.linePos(pos[0]);
    if (byLine.has(line)) continue;
    const [what, allowed] = SYNTAX[code] ?? [`is not valid YAML: ${message.split("\n", 1)[0]}`, "YAML 1.2"];
    byLine.set(line, { path: "", line, column: col, what, allowed });
  }
  return [...byLine.values()];
}

function emptyFault(): Finding {
  return { path: "", line: 0, column: 0, what: "is empty", allowed: `one YAML document of kind ${KIND}` };
}

function surplusFaults(
  documents: readonly ManifestDocument[],
  chosen: ManifestDocument | undefined,
  lines: LineCounter,
): Finding[] {
  return documents.flatMap((document, index) => {
    if (document === chosen) return [];
    const { line, col } = lines.linePos(document.contents?.range?.[0] ?? 0);
    const kind = kindOf(document);
    const what = `is YAML document ${index + 1} of this file${kind === undefined ? "" : `, of kind ${quote(kind)}`}`;
    return [
      { path: "", line, column: col, what, allowed: `one document, of kind ${KIND}; others in files of their own` },
    ];
  });
}

function kindOf({ contents }: ManifestDocument): string | undefined {
  const kind = isMap(contents) ? contents.get("kind") : undefined;
  return typeof kind === "string" ? (nearest(kind, [KIND]) ?? kind) : undefined;
}
