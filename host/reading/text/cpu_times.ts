import type { CpuTimes } from "../reading.ts";
import { decimal, linesOf, type Parsed, parseRows, wordsOf } from "./columns.ts";

/** user nice system idle iowait irq softirq steal; guest and guest_nice, which follow since 2.6.33, are in user and nice. */
const COLUMNS = 8;

function parseRow(line: string): CpuTimes | undefined {
  const [name, ...words] = wordsOf(line);
  const cpu = Number(/^cpu(\d{1,6})$/.exec(name ?? "")?.[1]);
  const ticks = words.slice(0, COLUMNS).map(decimal);
  if (!Number.isInteger(cpu) || ticks.length < COLUMNS || ticks.includes(undefined)) return undefined;
  const [, , , idle, waiting, , softirq, stolen] = ticks as bigint[];
  return {
    cpu,
    idleTicks: idle! + waiting!,
    softirqTicks: softirq!,
    stolenTicks: stolen!,
    totalTicks: (ticks as bigint[]).reduce((sum, each) => sum + each, 0n),
  };
}

/**
 * /proc/stat (fs/proc/stat.c, show_stat): `cpuN` and times in ticks of 10 ms for each CPU that is online, 64 bit. Time in
 * which a CPU waits for a disk counts as idle. Rows of less than eight columns (before 2.6.11) are not understood.
 */
export function parseCpuTimes(text: string): Parsed<CpuTimes[]> {
  const parsed = parseRows(
    linesOf(text).filter((line) => /^cpu\d/.test(line)),
    parseRow,
  );
  return parsed.value?.length === 0 ? { value: undefined, reason: "it names no CPU" } : parsed;
}
