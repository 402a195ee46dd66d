import type { RuleFinding, SoundSpec } from "../../crds/rule_finding.ts";
import { crossFieldFaults } from "../../crds/rules.ts";
import { API_VERSION, KIND, type QuicProxy, quicProxyShape } from "../../crds/schema.ts";
import { splitDocuments } from "./documents.ts";
import { explain, valueAt } from "./explain.ts";
import { type Fault, type Finding, formatPath, inFileOrder, type Path } from "./fault.ts";
import { nearest } from "./nearest.ts";
import { type Recognised, recognise } from "./recognise.ts";
import { standaloneFaults, standaloneWarnings } from "./standalone.ts";

export interface ParseOptions {
  /** Name of the file, for messages. */
  readonly file: string;
  /** Addresses of this host, for the loop rule. */
  readonly localAddresses: readonly string[];
}

export type ParseResult =
  | {
      readonly ok: true;
      readonly manifest: QuicProxy;
      readonly warnings: readonly Fault[];
      /** Gives findings about the spec that were made later their places in the file, in its order. */
      readonly locate: (findings: readonly RuleFinding[]) => readonly Fault[];
    }
  | { readonly ok: false; readonly faults: readonly Fault[]; readonly warnings: readonly Fault[] };

/** YAML text -> a QuicProxy this host can run, or every fault of the text at once, in the order of the file. Pure. */
export function parse(text: string, { file, localAddresses }: ParseOptions): ParseResult {
  const { document, faults: documentFaults, lines } = splitDocuments(text);
  if (document === undefined) return { ok: false, faults: inFileOrder(file, documentFaults), warnings: [] };
  const recognised = recognise(document, lines);
  const { faults, warnings: findings, manifest } = check(recognised, localAddresses);
  const warnings = inFileOrder(file, findings);
  const all = [...documentFaults, ...faults];
  if (manifest === undefined || all.length > 0) return { ok: false, faults: inFileOrder(file, all), warnings };
  const locate = (later: readonly RuleFinding[]): Fault[] =>
    inFileOrder(
      file,
      later.map((finding) => ruleFinding(finding, recognised)),
    );
  return { ok: true, manifest, warnings, locate };
}

interface Checked {
  readonly faults: Finding[];
  readonly warnings: Finding[];
  readonly manifest?: QuicProxy;
}

function check(recognised: Recognised, localAddresses: readonly string[]): Checked {
  if (!recognised.complete) return { faults: [...recognised.faults], warnings: [] };
  const parsed = quicProxyShape.safeParse(recognised.value);
  const issues = parsed.success ? [] : parsed.error.issues;
  if (isForeign(recognised.value)) {
    const identity = issues.filter(({ path }) => path[0] === "apiVersion" || path[0] === "kind");
    return { faults: identity.map((issue) => explain(issue, recognised)), warnings: [] };
  }
  const reported = new Set(recognised.faults.map(({ path }) => path));
  const shapeFaults = issues.map((issue) => explain(issue, recognised)).filter(({ path }) => firstOf(reported, path));
  const spec = soundSpec(
    recognised.value,
    issues.map(({ path }) => path as Path),
  );
  const toFinding = (finding: RuleFinding): Finding => ruleFinding(finding, recognised);
  const ruleFaults = [...crossFieldFaults(spec, localAddresses), ...standaloneFaults(spec)].map(toFinding);
  const faults = [...recognised.faults, ...shapeFaults, ...ruleFaults];
  const warnings = standaloneWarnings(spec).map(toFinding);
  return { faults, warnings, ...(parsed.success ? { manifest: parsed.data } : {}) };
}

/** An object of quite another kind: to hold it against our shape would bury the one message that helps. */
function isForeign(value: unknown): boolean {
  const kind = valueAt(value, ["kind"]);
  const apiVersion = valueAt(value, ["apiVersion"]);
  if (typeof kind !== "string" || nearest(kind, [KIND]) !== undefined) return false;
  return typeof apiVersion !== "string" || apiVersion.split("/")[0] !== API_VERSION.split("/")[0];
}

/** One fault for one place: what the walk or an earlier check said there is the cause of the later ones. */
function firstOf(reported: Set<string>, path: string): boolean {
  if (reported.has(path)) return false;
  reported.add(path);
  return true;
}

/** The spec without the values that have faults of their own, for the rules that compare fields. */
function soundSpec(value: unknown, faulty: readonly Path[]): SoundSpec {
  for (const path of faulty) {
    const parent = valueAt(value, path.slice(0, -1));
    const key = path.at(-1);
    if (typeof parent === "object" && parent !== null && key !== undefined) {
      if (Object.hasOwn(parent, key)) (parent as Record<string | number, unknown>)[key] = undefined;
    }
  }
  return (valueAt(value, ["spec"]) ?? {}) as SoundSpec;
}

function ruleFinding({ path, what, allowed }: RuleFinding, recognised: Recognised): Finding {
  const full = ["spec", ...path];
  return { path: formatPath(full), ...recognised.places.locate(full), what, allowed };
}
