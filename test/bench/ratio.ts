import { renderSpread, type Spread, spreadOf } from "./spread.ts";

/** A value of one contender in one round; undefined where the round is no measure of it. */
export interface RoundValue {
  contender: string;
  round: number;
  value: number | undefined;
}

export interface Ratio extends Spread {
  of: string;
  to: string;
  /** Those that are a measure of both, of all; without any the spread is not a number. */
  rounds: { compared: number; of: number };
}

export type Pair = readonly [of: string, to: string];

/** Each round compared with itself, by quotient or by difference. */
export function compareRounds(
  all: readonly RoundValue[],
  [of, to]: Pair,
  compare: (ours: number, theirs: number) => number = (ours, theirs) => ours / theirs,
): Ratio {
  const ours = all.filter(({ contender }) => contender === of);
  const values = ours.flatMap(({ round, value }) => {
    const theirs = all.find((one) => one.contender === to && one.round === round);
    if (theirs === undefined) throw new Error(`${to} was not measured in round ${round}`);
    return value === undefined || theirs.value === undefined ? [] : [compare(value, theirs.value)];
  });
  const none = { min: Number.NaN, median: Number.NaN, max: Number.NaN };
  const spread = values.length > 0 ? spreadOf(values) : none;
  return { of, to, ...spread, rounds: { compared: values.length, of: ours.length } };
}

export function renderRatio({ of, to, rounds, ...spread }: Ratio, digits = 2): string {
  const { compared, of: all } = rounds;
  const values = compared > 0 ? renderSpread(spread, digits) : "every round lost datagrams";
  const note = compared > 0 && compared < all ? ` (${compared} of ${all} rounds; the others lost datagrams)` : "";
  return `${of} / ${to}: ${values}${note}`;
}
