/** RFC 3339 with whole seconds, as metadata and statuses have it. */
export function secondsTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

/** RFC 3339 with six digits of a second: Lease and Event times are refused with fewer (kubernetes/kubernetes#89156). */
export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace(/Z$/, "000Z");
}
