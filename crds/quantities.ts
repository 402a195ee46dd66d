/** What a size looks like: an integer number of octets, or one with a binary suffix. The Kubernetes quantity, narrowed. */
export const SIZE_PATTERN = /^(0|[1-9][0-9]{0,14})(Ki|Mi|Gi)?$/;

/** What a duration looks like: Go's notation as Kubernetes uses it, without fractions, longest unit first. */
export const DURATION_PATTERN = /^(?=[0-9])([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?([0-9]{1,9}ms)?$/;

/** What processor time looks like: whole CPUs, tenths to thousandths of one, or thousandths with the suffix m. */
export const CPU_PATTERN = /^([1-9][0-9]{0,6}m|[1-9][0-9]{0,3}|(0|[1-9][0-9]{0,3})\.[0-9]{1,3})$/;

const BYTES_PER_SUFFIX: Readonly<Record<string, number>> = { Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3 };
const MS_PER_UNIT = [3_600_000, 60_000, 1000, 1] as const;

/** Octets in "8Mi", "64Ki" or "4096"; undefined where the text is no size. */
export function sizeBytes(text: string): number | undefined {
  const match = SIZE_PATTERN.exec(text);
  return match ? Number(match[1]) * (BYTES_PER_SUFFIX[match[2] ?? ""] ?? 1) : undefined;
}

/** Milliseconds in "120s", "1h30m" or "500ms"; undefined where the text is no duration. */
export function durationMs(text: string): number | undefined {
  const match = DURATION_PATTERN.exec(text);
  if (!match) return undefined;
  return MS_PER_UNIT.reduce((sum, unit, index) => sum + Number.parseInt(match[index + 1] ?? "0", 10) * unit, 0);
}

/** Thousandths of a CPU in "500m", "2" or "1.5"; undefined where the text is no processor time. */
export function cpuMillis(text: string): number | undefined {
  if (!CPU_PATTERN.test(text)) return undefined;
  return text.endsWith("m") ? Number(text.slice(0, -1)) : Math.round(Number(text) * 1000);
}

/** An amount of memory as the API server writes it: what it would write otherwise looks like another's change. */
export function sizeText(bytes: number): string {
  const suffix = ["Gi", "Mi", "Ki"].find((each) => bytes > 0 && bytes % BYTES_PER_SUFFIX[each]! === 0);
  return suffix === undefined ? String(bytes) : `${bytes / BYTES_PER_SUFFIX[suffix]!}${suffix}`;
}

/** Processor time as the API server writes it. */
export function cpuText(millis: number): string {
  return millis % 1000 === 0 ? String(millis / 1000) : `${millis}m`;
}
