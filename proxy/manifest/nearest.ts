import { distance } from "fastest-levenshtein";

const LONGEST = 64;

/** The candidate that was probably meant: equal but for case and separators, or few slips away; undefined if none is near. */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  if (text.length === 0 || text.length > LONGEST) return undefined;
  const wanted = plain(text);
  let best: { name: string; slips: number } | undefined;
  for (const name of candidates) {
    const slips = slipsBetween(wanted, plain(name));
    if (slips <= Math.max(1, Math.floor(name.length / 3)) && slips < (best?.slips ?? LONGEST)) best = { name, slips };
  }
  return best?.name;
}

/** Two neighbours swapped are one slip, although it takes two edits to mend them. */
function slipsBetween(a: string, b: string): number {
  const edits = distance(a, b);
  return edits === 2 && [...a].sort().join("") === [...b].sort().join("") ? 1 : edits;
}

function plain(text: string): string {
  return text.toLowerCase().replace(/[-_ ]/g, "");
}
