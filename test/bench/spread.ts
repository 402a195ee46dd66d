export interface Spread {
  min: number;
  median: number;
  max: number;
}

/** Of at least one value; the median of an even number of values is the mean of the middle two. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
  return { min: sorted[0]!, median, max: sorted.at(-1)! };
}

/** minimum / median / maximum, once where they are the same; a dash for what was never anything. */
export function renderSpread({ min, median, max }: Spread, digits: number): string {
  if (max === 0 && min === 0) return "-";
  const values = [min, median, max].map((value) => value.toFixed(digits));
  return values[0] === values[2] ? values[0]! : values.join(" / ");
}
