import { readFileSync, writeFileSync } from "node:fs";
import { ALL_DEFINITIONS, counterMetricName } from "../metrics/definitions.ts";
import { type CounterDefinition, parseConstant, parseCounterDefinitions, parseEnum } from "./parse_def.ts";

const ROOT = new URL("../../", import.meta.url);
const DO_NOT_EDIT = "Generated from native/abi/counters.def and counters.h by `make generate`; do not edit.";
const LINE_WIDTH = 120;

function property(name: string, value: string): string {
  const literal = JSON.stringify(value);
  const line = `    ${name}: ${literal},`;
  return line.length <= LINE_WIDTH ? line : `    ${name}:\n      ${literal},`;
}

function renderCounter(counter: CounterDefinition): string {
  const { name, stage, outcome, kind, help } = counter;
  const lines = Object.entries({ name, stage, outcome, kind, help }).map(([key, value]) => property(key, value));
  return `  {\n${lines.join("\n")}\n  },`;
}

function renderList(doc: string, name: string, values: readonly string[]): string {
  const oneLine = `export const ${name} = [${values.map((value) => JSON.stringify(value)).join(", ")}] as const;`;
  const lines = values.map((value) => `  ${JSON.stringify(value)},`).join("\n");
  const list = oneLine.length <= LINE_WIDTH ? oneLine : `export const ${name} = [\n${lines}\n] as const;`;
  return `/** ${doc} */\n${list}`;
}

/** The text of names.generated.ts, in Biome's format. */
export function renderNames(definitionText: string, header: string): string {
  const counters = parseCounterDefinitions(definitionText).map(renderCounter).join("\n");
  const [first, last, stepBits] = ["kTimeFirstExponent", "kTimeLastExponent", "kTimeStepBits"].map((name) =>
    parseConstant(header, name),
  ) as [number, number, number];
  return [
    `// ${DO_NOT_EDIT}`,
    "",
    `export const COUNTERS_MAGIC = ${parseConstant(header, "kCountersMagic")};`,
    `export const COUNTERS_VERSION = ${parseConstant(header, "kCountersVersion")};`,
    "",
    `/** Every counter of a worker's block, in memory order. */\nexport const COUNTERS = [\n${counters}\n] as const;`,
    "",
    renderList("The values after a worker's counters, in memory order.", "GAUGES", parseEnum(header, "Gauge")),
    "",
    renderList(
      "The histograms of a worker, in memory order: the time of all datagrams in ns, then the buckets.",
      "TIMINGS",
      parseEnum(header, "Timing"),
    ),
    "",
    "/** Bounds of the buckets: below 2^first ns; 2^stepBits equal steps to each power of two; 2^last ns and more. */",
    `export const TIME_FIRST_EXPONENT = ${first};`,
    `export const TIME_LAST_EXPONENT = ${last};`,
    `export const TIME_STEP_BITS = ${stepBits};`,
    `export const CELLS_PER_TIMING = ${1 + (last - first) * 2 ** stepBits + 2};`,
    "",
    renderList(
      "The cells of one backend slot of one worker, in memory order.",
      "BACKEND_CELLS",
      parseEnum(header, "BackendCounter"),
    ),
    "",
    'export type CounterName = (typeof COUNTERS)[number]["name"];',
    "export type GaugeName = (typeof GAUGES)[number];",
    "export type TimingName = (typeof TIMINGS)[number];",
    "export type BackendCellName = (typeof BACKEND_CELLS)[number];",
    "",
  ].join("\n");
}

const KINDS = [
  "- **Outcome**: each datagram that enters the stage is counted in exactly one outcome of the stage.",
  "- **Entry**: the number of datagrams that entered a direction.",
  "- **Event**: happens beside a datagram's way; part of no sum.",
];

const SUMS = [
  "- `receive_datagrams` = `hand_off_dropped_ring_full` + sum of the parse outcomes",
  "- sum of the parse outcomes = sum of the route outcomes",
  "- sum of the route outcomes that are not drops = sum of the forward outcomes",
  "- `return_received` = sum of the return outcomes",
];

/** A Markdown table with aligned columns. */
function renderTable(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const renderRow = (row: readonly string[]): string =>
    `| ${widths.map((width, column) => (row[column] ?? "").padEnd(width)).join(" | ")} |`;
  const [head = [], ...body] = rows;
  return [renderRow(head), renderRow(widths.map((width) => "-".repeat(width))), ...body.map(renderRow)];
}

function renderStage(stage: string, counters: readonly CounterDefinition[]): string[] {
  const rows = counters
    .filter((counter) => counter.stage === stage)
    .map((counter) => [`\`${counterMetricName(counter.name)}\``, counter.kind, counter.help]);
  return [`### ${stage}`, "", ...renderTable([["metric", "kind", "meaning"], ...rows]), ""];
}

/** The text of docs/reference/metrics.md. */
export function renderMetricsReference(definitionText: string): string {
  const counters = parseCounterDefinitions(definitionText);
  const stages = [...new Set(counters.map((counter) => counter.stage))];
  const others = ALL_DEFINITIONS.map(({ name, type, labels, help }) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(", "),
    help,
  ]);
  return [
    "# Metrics",
    "",
    `<!-- ${DO_NOT_EDIT} -->`,
    "",
    "`/metrics` serves these in the Prometheus text format, beside the process metrics of the Node.js runtime",
    "(`process_*`, `nodejs_*`). `/counters` serves the same numbers as JSON.",
    "",
    "## Counters of the packet path",
    "",
    "One series per worker (label `worker`), in the order in which a datagram meets them.",
    "",
    ...KINDS,
    "",
    "These sums hold whenever no datagram is on its way:",
    "",
    ...SUMS,
    "",
    ...stages.flatMap((stage) => renderStage(stage, counters)),
    "## Backends, sockets and state",
    "",
    ...renderTable([["metric", "type", "labels", "meaning"], ...others]),
    "",
  ].join("\n");
}

/** What the generated files must hold, by path from the repository's root. */
export function renderAll(): Record<string, string> {
  const definitionText = readFileSync(new URL("native/abi/counters.def", ROOT), "utf8");
  const header = readFileSync(new URL("native/abi/counters.h", ROOT), "utf8");
  return {
    "proxy/counters/names.generated.ts": renderNames(definitionText, header),
    "docs/reference/metrics.md": renderMetricsReference(definitionText),
  };
}

if (import.meta.main) {
  for (const [path, text] of Object.entries(renderAll())) {
    writeFileSync(new URL(path, ROOT), text);
    console.log(`wrote ${path}`);
  }
}
