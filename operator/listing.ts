/** The first of many names, and how many more there are. */
export function listed(names: readonly string[], max: number): string {
  return names.slice(0, max).join(", ") + (names.length > max ? ` and ${names.length - max} more` : "");
}

/** The first of many sentences or parts of one, and how many more there are. */
export function strung(texts: readonly string[], max: number): string {
  return texts.slice(0, max).join("; ") + (texts.length > max ? `; and ${texts.length - max} more` : "");
}
