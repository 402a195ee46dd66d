/* Numbers as a report prints them. What is no number (0 of 0) is "?", never NaN. */

export const count = (value: number): string =>
  Number.isFinite(value) ? Math.round(value).toLocaleString("en-US") : "?";

export const perSecond = (value: number, seconds: number): string => `${count(value / seconds)}/s`;

/** "18.2 %"; "0.0002 %" where it is little. */
export function share(part: number, whole: number): string {
  const percent = (100 * part) / whole;
  if (!Number.isFinite(percent)) return "?";
  if (percent === 0) return "0 %";
  return `${percent >= 0.1 ? percent.toFixed(1) : percent.toPrecision(1)} %`;
}

/** "2.1 MB", decimal. */
export function size(bytes: number): string {
  if (!Number.isFinite(bytes)) return "?";
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return bytes >= 1e3 ? `${Math.round(bytes / 1e3)} kB` : `${Math.round(bytes)} octets`;
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds >= 10) return `${count(seconds)} s`;
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  return seconds >= 0.001 ? `${count(seconds * 1000)} ms` : `${count(seconds * 1e6)} us`;
}

/** "rho 1.49"; utilization is arrival rate by service rate. */
export const ratio = (value: number): string => (Number.isFinite(value) ? value.toFixed(2) : "?");
