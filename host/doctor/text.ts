import { HAND_OFFS } from "../path/hand_offs.ts";
import { NOT_ASKED } from "../reading/sections.ts";
import { count, share } from "../verdict/words.ts";
import type { Report, ReportFinding, Row } from "./report.ts";
import { printable, wrap } from "./wrap.ts";

/* The report for a terminal: the path as a table with the losing hand-off marked, then each verdict, then one line. */

const WIDTH = 100;
/** Beyond so many of one verdict the rest is counted. */
const ALIKE_SHOWN = 5;
const MISSING_SHOWN = 6;
const WITNESSED_SHOWN = 12;
const DOUBTS_SHOWN = 8;

const STATE_WORDS: Readonly<Record<Row["state"], string>> = {
  clean: "clean",
  losing: "LOSING",
  warning: "warning",
  "not seen": "not seen",
  "not refreshed": "not refreshed",
  restarted: "restarted",
};

export function formatReport(report: Report): string {
  const parts = [
    heading(report),
    report.rows.length > 0 ? table(report) : [],
    ...shown(report.findings).map(verdictLines),
    witnessLines(report),
    missingLines(report),
    conclusion(report),
  ];
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`;
}

function heading({ subject, seconds, kernelRelease, evidence, rates, note, time }: Report): string[] {
  const about = [
    subject.port === undefined ? "all UDP sockets of the network namespace" : `UDP port ${subject.port}`,
    ...(subject.interface === undefined ? [] : [`interface ${subject.interface}`]),
    seconds === undefined ? `one reading, ${time}` : `${seconds.toFixed(1)} s until ${time}`,
    ...(kernelRelease === undefined ? [] : [`kernel ${kernelRelease}`]),
    `evidence: ${evidence}`,
  ];
  const offload =
    rates !== undefined && rates.datagramsPerSkb >= 1.05
      ? [`receive offload: ${rates.datagramsPerSkb.toFixed(1)} datagrams in one that the IP layer counts`]
      : [];
  return [
    ...wrap(about.join(", "), "", WIDTH),
    ...(rates === undefined
      ? []
      : [`IN ${rate(rates.arrived)}   READ ${rate(rates.delivered)}   OUT ${rate(rates.sent)}`]),
    ...offload,
    ...(note === undefined ? [] : wrap(note, "note: ", WIDTH)),
  ];
}

const rate = (perSecond: number | undefined): string =>
  perSecond === undefined ? "not seen" : `${count(perSecond)}/s`;

function table({ rows, firstLosing }: Report): string[] {
  const head = line({ mark: " ", id: "", name: "hand-off", state: "state", lost: "lost", why: "" });
  return [
    head.trimEnd(),
    ...rows.flatMap(({ handOff, name, state, lost, why }) => {
      const isFirst = handOff === firstLosing;
      const first = line({
        mark: isFirst ? ">" : " ",
        id: handOff,
        name,
        state: STATE_WORDS[state],
        lost: lost > 0 ? count(lost) : "",
        why: "",
      });
      return wrap(isFirst ? `${why}  <- first` : why, first, WIDTH).map((each) => each.trimEnd());
    }),
  ];
}

interface Cells {
  readonly mark: string;
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly lost: string;
  readonly why: string;
}

const NAME_WIDTH = Math.max(...HAND_OFFS.map(({ name }) => name.length));

const line = ({ mark, id, name, state, lost, why }: Cells): string =>
  `${mark} ${id.padEnd(3)}${name.padEnd(NAME_WIDTH + 2)}${state.padEnd(14)}${lost.padStart(11)}  ${why}`;

/** The first few of each verdict, and a word on how many more there are. */
function shown(findings: readonly ReportFinding[]): { finding: ReportFinding; more: number }[] {
  const alike = Map.groupBy(findings, ({ verdict }) => verdict);
  const first = new Set([...alike.values()].flatMap((same) => same.slice(0, ALIKE_SHOWN)));
  return findings
    .filter((finding) => first.has(finding))
    .map((finding) => {
      const same = alike.get(finding.verdict)!;
      return { finding, more: finding === same[ALIKE_SHOWN - 1] ? same.length - ALIKE_SHOWN : 0 };
    });
}

const SEVERITY_WORDS: Readonly<Record<ReportFinding["severity"], string>> = {
  loss: "loss",
  possible: "possible loss",
  warning: "warning",
  history: "history",
  other: "no loss of ours",
};

function verdictLines({ finding, more }: { finding: ReportFinding; more: number }): string[] {
  const { handOff, verdict, severity, datagrams, title, proof, remedy, inVain } = finding;
  const part = finding.share === undefined ? "" : `, ${share(finding.share, 1)}`;
  const lost = datagrams === undefined ? "" : `: ${count(datagrams)} datagrams${part}`;
  return [
    `${handOff} ${verdict} (${SEVERITY_WORDS[severity]}${lost})`,
    ...wrap(title, "  ", WIDTH),
    ...block("proof", proof),
    ...block("do", remedy),
    ...block("in vain", inVain),
    ...(more > 0 ? [`  and ${more} more of this verdict; --json has them all`] : []),
  ];
}

function block(title: string, lines: readonly string[]): string[] {
  return lines.flatMap((text, index) => wrap(text, `  ${(index === 0 ? title : "").padEnd(9)}- `, WIDTH));
}

function witnessLines({ witnessed, evidenceNotes }: Report): string[] {
  const lines = [...witnessed.map(({ handOff, text }) => `${handOff ?? "?"}: ${text}`), ...evidenceNotes];
  if (lines.length === 0) return [];
  const more = lines.length - WITNESSED_SHOWN;
  return [
    "second witness:",
    ...lines.slice(0, WITNESSED_SHOWN).flatMap((text) => wrap(text, "  - ", WIDTH)),
    ...(more > 0 ? [`  and ${more} more; --json has them all`] : []),
  ];
}

/** What was never asked for is not missed. */
function missingLines({ missing }: Report): string[] {
  const refused = missing.filter(({ why }) => why !== NOT_ASKED);
  if (refused.length === 0) return [];
  return [
    "not read:",
    ...refused.slice(0, MISSING_SHOWN).flatMap(({ source, why }) => wrap(`${source}: ${why}`, "  ", WIDTH)),
    ...(refused.length > MISSING_SHOWN ? [`  and ${refused.length - MISSING_SHOWN} more; --json has them all`] : []),
  ];
}

const few = (lines: readonly string[]): readonly string[] =>
  lines.length <= DOUBTS_SHOWN ? lines : [...lines.slice(0, DOUBTS_SHOWN), `and ${lines.length - DOUBTS_SHOWN} more`];

function conclusion({ exitCode, verdict, firstLosing, doubts, findings }: Report): string[] {
  if (exitCode === 1) {
    const name = HAND_OFFS.find(({ id }) => id === firstLosing)?.name ?? "";
    return wrap(
      `loss found, first at hand-off ${firstLosing} (${printable(name)}): ${verdict}; exit code 1`,
      "",
      WIDTH,
    );
  }
  if (exitCode === 2) {
    return [`could not tell (${verdict}); exit code 2`, ...few(doubts).flatMap((doubt) => wrap(doubt, "  - ", WIDTH))];
  }
  const warnings = findings.filter(({ severity }) => severity === "warning").length;
  const besides = warnings === 0 ? "" : ` (${warnings} ${warnings === 1 ? "warning" : "warnings"})`;
  return [`clean: no hand-off that can be seen loses datagrams of ours${besides}; exit code 0`];
}
