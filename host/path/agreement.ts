import type { Witness } from "../reading/witness.ts";
import type { HandOffId } from "./hand_offs.ts";
import type { Count, Measures } from "./measures.ts";
import { dropsOf, placeOf, type ReasonRow, reasonRows, sumOf } from "./reasons.ts";
import { CAUSES, type Cause, causeOf, type WitnessedCause } from "./witnessed_causes.ts";

/*
 * Whether both witnesses say the same of one cause: the counters of the readings, and the kernel's own reasons.
 */

/**
 * equal: both say the same. part: the counter, which counts more than UDP, has more. offload: the same in skbs, of several
 * datagrams each. uncounted: the kernel names a reason, no counter moved. unexplained: a counter moved, and the kernel names
 * no reason. before skb: the same of a device, where it means that the device lost it. invisible memory: the kernel refused
 * memory, and did not count it. not ours: frames that nobody here wanted. apart: both moved, and differ.
 */
export type AgreementKind =
  | "equal"
  | "part"
  | "offload"
  | "uncounted"
  | "unexplained"
  | "before skb"
  | "invisible memory"
  | "not ours"
  | "apart";

export interface Agreement {
  /** undefined: a reason that belongs to no counter. */
  readonly cause: WitnessedCause | undefined;
  /** undefined: not ours, or a reason that this program does not know. */
  readonly handOff: HandOffId | undefined;
  readonly kind: AgreementKind;
  /** Both witnesses say so, and the evidence is strong. */
  readonly isConfirmed: boolean;
  readonly reasons: readonly string[];
  /** By the counter. */
  readonly counted: Count;
  /** By the kernel's reasons, extrapolated to the window where the witness ended before it. */
  readonly skbs: number;
  readonly datagrams: number;
  /** For people: one sentence without an end. */
  readonly text: string;
}

/** Readings and witness begin and end one after the other. */
const TOLERATED_SHARE = 0.05;
const TOLERATED_SKBS = 10;
/** Where the witness ended early, the window's rest is guessed. */
const TOLERATED_SHARE_WHEN_STOPPED = 0.3;
/** From here on a share of what is lost or without reason makes evidence weak. */
export const WEAK_SHARE = 0.05;

export const spell = (count: number): string => Math.round(count).toLocaleString("en-US");

/** Why nothing of this witness confirms anything; undefined: it does. */
export function weaknessOf(witness: Witness): string | undefined {
  const drops = dropsOf(witness);
  const skbs = sumOf(drops, "skbs");
  const unspecified = sumOf(
    drops.filter((drop) => placeOf(drop) === "unspecified"),
    "skbs",
  );
  const lost = witness.lost + witness.unreadable + witness.missed;
  if (lost > WEAK_SHARE * (skbs + lost)) return `${spell(lost)} of ${spell(skbs + lost)} drops could not be looked at`;
  if (unspecified > WEAK_SHARE * skbs) return `${spell(unspecified)} of ${spell(skbs)} drops have no reason`;
  return undefined;
}

interface Comparison {
  readonly counted: Count;
  readonly skbs: number;
  readonly datagrams: number;
  /** Not extrapolated. */
  readonly seenSkbs: number;
  readonly all: Circumstances;
}

function isEqual({ counted = 0, skbs, all }: Comparison): boolean {
  const share = all.isStopped ? TOLERATED_SHARE_WHEN_STOPPED : TOLERATED_SHARE;
  return Math.abs(counted - skbs) <= Math.max(TOLERATED_SKBS, share * Math.max(counted, skbs));
}

/** Where only one of them moved. */
function kindOfOne({ cause }: Cause, { skbs }: Comparison): AgreementKind {
  if (skbs > 0) return cause === "memory" ? "invisible memory" : "uncounted";
  return cause === "device" || cause === "not-ours" ? "before skb" : "unexplained";
}

function kindOf(cause: Cause, comparison: Comparison): AgreementKind {
  const { counted, skbs, datagrams } = comparison;
  if (cause.cause === "not-ours" && skbs > 0) return "not ours";
  if (!counted || skbs === 0) return kindOfOne(cause, comparison);
  if (isEqual(comparison)) return datagrams >= skbs * 1.05 ? "offload" : "equal";
  // A storm that came late in the window cannot be extrapolated: then what was seen stands for itself.
  const may = comparison.all.isStopped ? comparison.seenSkbs : skbs;
  return (cause.countsMore || comparison.all.isStopped) && counted > may ? "part" : "apart";
}

/** What each kind says; the numbers are skbs unless they are said to be datagrams. */
const TEXTS: Readonly<Record<AgreementKind, (says: Says) => string>> = {
  equal: ({ names, by, counter, counted }) =>
    `confirmed by the kernel's drop reason ${names}: ${by} against ${counted} by ${counter}`,
  part: ({ names, by, counter, counted }) =>
    `confirmed by the kernel's drop reason ${names} for ${by} UDP datagrams of the ${counted} by ${counter}`,
  offload: ({ names, by, counter, counted, datagrams, factor }) =>
    `confirmed by the kernel's drop reason ${names}: ${by} against ${counted} by ${counter}; receive offload: each was ` +
    `${factor} datagrams, so that ${datagrams} were lost`,
  uncounted: ({ names, datagrams }) => `the kernel dropped ${datagrams} datagrams for ${names}, which no counter shows`,
  unexplained: ({ counter, counted }) => `${counter} rose by ${counted}, for which the kernel gave no drop reason`,
  "before skb": ({ counter, counted }) =>
    `${counter} rose by ${counted}, and the kernel dropped none of them: lost before it had them, by ring, driver, native ` +
    "XDP or hypervisor",
  "invisible memory": ({ names, datagrams }) =>
    `the kernel refused memory for ${datagrams} datagrams (${names}), which MemErrors does not show (6.18 before commit ` +
    "820990d66577, and before 5.11)",
  "not ours": ({ names, by }) => `${by} frames were dropped as nobody's (${names})`,
  apart: ({ names, by, counter, counted }) =>
    `the kernel's drop reason ${names} says ${by}, ${counter} says ${counted}`,
};

interface Says {
  readonly names: string;
  readonly by: string;
  readonly counter: string;
  readonly counted: string;
  readonly datagrams: string;
  readonly factor: string;
}

const CONFIRMING: ReadonlySet<AgreementKind> = new Set(["equal", "part", "offload"]);

/** What holds for all comparisons of one window. */
interface Circumstances {
  /** The window, in times of what the witness saw of it. */
  readonly scale: number;
  readonly isStopped: boolean;
  readonly weakness: string | undefined;
}

function agreementOf(
  cause: Cause | undefined,
  counted: Count,
  rows: readonly ReasonRow[],
  all: Circumstances,
): Agreement {
  const seen = (what: "skbs" | "datagrams"): number => rows.reduce((total, row) => total + row[what], 0);
  const [seenSkbs, skbs, datagrams] = [
    seen("skbs"),
    Math.round(all.scale * seen("skbs")),
    Math.round(all.scale * seen("datagrams")),
  ];
  const comparison: Comparison = { counted, skbs, datagrams, seenSkbs, all };
  const kind = cause === undefined ? "uncounted" : kindOf(cause, comparison);
  const reasons = rows.map(({ reason }) => reason);
  const said = TEXTS[kind]({
    names: reasons.join(", "),
    by: spell(kind === "part" ? seenSkbs : skbs),
    counter: cause?.counter ?? "",
    counted: spell(counted ?? 0),
    datagrams: spell(datagrams),
    factor: (datagrams / Math.max(1, skbs)).toFixed(1),
  });
  const confirms = CONFIRMING.has(kind);
  const isWeak = confirms && all.weakness !== undefined;
  return {
    cause: cause?.cause,
    handOff: cause === undefined ? handOffOf(rows) : cause.handOff,
    kind,
    isConfirmed: confirms && !isWeak,
    reasons,
    counted,
    skbs,
    datagrams,
    text: isWeak ? `${said.replace("confirmed by", "said by")}; evidence weak: ${all.weakness}` : said,
  };
}

function handOffOf([first]: readonly ReasonRow[]): HandOffId | undefined {
  const place = first?.place;
  return place === "not ours" || place === "unspecified" ? undefined : place;
}

/** The causes that a witness of this level can speak of. */
const WITNESSED: Readonly<Record<Witness["level"], (cause: Cause) => boolean>> = {
  reasons: () => true,
  udp_fail: ({ cause }) => cause === "socket-buffer" || cause === "memory",
  counters: () => false,
};

/**
 * What both witnesses say of each cause at which one of them moved, and of each reason that belongs to no counter. Every drop
 * of the witness that has a reason is in one of them. Pure.
 *
 * @param witness counted in the same window as the measures; undefined or of the level counters: nothing to compare
 */
export function compareWitness(measures: Measures, witness: Witness | undefined): readonly Agreement[] {
  if (witness === undefined || witness.level === "counters") return [];
  const isStopped = witness.stopped !== undefined && witness.seconds > 0;
  const all: Circumstances = {
    scale: isStopped ? Math.max(1, measures.seconds / witness.seconds) : 1,
    isStopped,
    weakness: weaknessOf(witness),
  };
  const rows = reasonRows(witness).filter(({ place }) => place !== "unspecified");
  const causes = CAUSES.filter(WITNESSED[witness.level]);
  const compared = causes.flatMap((cause) => {
    const its = rows.filter(({ drops }) => causeOf(drops[0]!) === cause);
    const counted = cause.counted(measures);
    return its.length === 0 && !counted ? [] : [agreementOf(cause, counted, its, all)];
  });
  const others = rows.filter(({ drops }) => !causes.some((cause) => causeOf(drops[0]!) === cause));
  return [...compared, ...others.map((row) => agreementOf(undefined, undefined, [row], all))];
}
