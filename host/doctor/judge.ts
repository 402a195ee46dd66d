import { compareWitness } from "../path/agreement.ts";
import { evidenceLevel, evidenceNotes } from "../path/evidence.ts";
import type { HandOffId } from "../path/hand_offs.ts";
import { measure } from "../path/measure.ts";
import type { Measures } from "../path/measures.ts";
import { WindowError } from "../path/window.ts";
import { parseReading } from "../reading/parse.ts";
import type { Bundle } from "../reading/raw.ts";
import type { Reading } from "../reading/reading.ts";
import type { Witness } from "../reading/witness.ts";
import { judgeMeasures } from "../verdict/all.ts";
import { historyOf } from "../verdict/history.ts";
import { BundleError } from "./bundle_error.ts";
import type { Report, ReportFinding, Row } from "./report.ts";
import { rowsOf } from "./rows.ts";
import { withShares } from "./shares.ts";
import { type Unseen, unseenOf } from "./unseen.ts";

/**
 * What two readings prove, wherever they were taken. With one reading: history alone. Throws BundleError where the second
 * reading is not later than the first.
 */
export function judge(bundle: Bundle): Report {
  const { subject, proxy, witness, note } = bundle;
  const after = parseReading(bundle.after);
  if (bundle.before === undefined) return historyReport(bundle, after);
  const before = parseReading(bundle.before);
  const between = (bundle.between ?? []).map(parseReading);
  try {
    const measures = measure({ subject, before, between, after, ...(proxy && { proxy }) });
    return { ...reportOf(measures, witness), note };
  } catch (error) {
    if (error instanceof WindowError) throw new BundleError(`${error.message}; take both readings anew, in this order`);
    throw error;
  }
}

/** The report on measures, and on what was witnessed in the same window; pure. */
export function reportOf(measures: Measures, witness?: Witness): Report {
  const { subject, after, seconds } = measures;
  const unseen = unseenOf(measures);
  const found = judgeMeasures(measures);
  const rows = rowsOf(measures, found, unseen);
  const findings = withShares(measures, found);
  const first = findings.find(({ severity }) => severity === "loss");
  const doubts = doubtsOf(findings, rows, unseen);
  return {
    subject,
    time: after.time,
    seconds,
    kernelRelease: after.kernelRelease,
    evidence: evidenceLevel(witness),
    evidenceNotes: evidenceNotes(witness),
    witnessed: witnessedOf(measures, witness),
    verdict: first?.verdict ?? (doubts.length > 0 ? "could-not-tell" : "clean"),
    firstLosing: first?.handOff,
    exitCode: first !== undefined ? 1 : doubts.length > 0 ? 2 : 0,
    doubts,
    rates: ratesOf(measures),
    rows,
    findings,
    missing: missingOf(after),
    note: undefined,
  };
}

/** What no counter of ours moved for, and what is nobody's, is no news. */
function witnessedOf(measures: Measures, witness: Witness | undefined): Report["witnessed"] {
  return compareWitness(measures, witness)
    .filter(({ kind, cause }) => kind !== "not ours" && cause !== "not-ours")
    .map(({ handOff, isConfirmed, text }) => ({ handOff, isConfirmed, text }));
}

/** Hand-offs whose counters decide: set back, they hide what was lost. */
const DECIDING: readonly HandOffId[] = ["1", "2", "3", "4"];

function doubtsOf(findings: readonly ReportFinding[], rows: readonly Row[], unseen: Map<HandOffId, Unseen>): string[] {
  return [
    ...rows.flatMap(({ handOff, name }) => {
      const here = unseen.get(handOff);
      return here?.matters ? [`${handOff} ${name}: ${here.why}`] : [];
    }),
    ...rows
      .filter(({ state, handOff }) => state === "restarted" && DECIDING.includes(handOff))
      .map(({ handOff, name, why }) => `${handOff} ${name}: set back within the window: ${why}; ask again`),
    ...findings.filter(({ severity }) => severity === "possible").map(({ handOff, title }) => `${handOff}: ${title}`),
  ];
}

function ratesOf({ totals, seconds, offload }: Measures): Report["rates"] {
  const rate = (count: number | undefined): number | undefined => (count === undefined ? undefined : count / seconds);
  return {
    arrived: rate(totals.arrived),
    delivered: rate(totals.delivered),
    sent: rate(totals.sent),
    datagramsPerSkb: Math.max(offload.ip4.datagramsPerSkb, offload.ip6.datagramsPerSkb),
  };
}

const missingOf = ({ missing }: Reading): Report["missing"] => [...missing].map(([source, why]) => ({ source, why }));

function historyReport({ subject, note }: Bundle, after: Reading): Report {
  return {
    subject,
    time: after.time,
    seconds: undefined,
    kernelRelease: after.kernelRelease,
    evidence: "counters",
    evidenceNotes: [],
    witnessed: [],
    verdict: "history-only",
    firstLosing: undefined,
    exitCode: 2,
    doubts: ["there is one reading only: take two while it happens"],
    rates: undefined,
    rows: [],
    findings: historyOf(after).map((finding) => ({ ...finding, share: undefined })),
    missing: missingOf(after),
    note,
  };
}
