import type { CpuTimes, SoftnetRow } from "../reading/reading.ts";
import type { CpuMeasure } from "./measures.ts";
import type { Comparison, Window } from "./window.ts";

/** Hand-off 2: what each CPU's backlog did, and how the CPU spent its time. Machine-wide. */
export function cpuMeasures({ before, after }: Window, comparison: Comparison): CpuMeasure[] | undefined {
  if (after.softnet === undefined || before.softnet === undefined) return undefined;
  const rowsBefore = new Map(before.softnet.map((row) => [row.cpu, row]));
  const [timesBefore, timesAfter] = [before, after].map(
    ({ cpus = [] }) => new Map(cpus.map((times): [number, CpuTimes] => [times.cpu, times])),
  );
  return after.softnet.map((row) => {
    const old = rowsBefore.get(row.cpu);
    const of = (name: keyof SoftnetRow): number | undefined =>
      comparison.count({ handOff: "2", what: `CPU ${row.cpu} ${name}`, width: 32 }, old?.[name], row[name]);
    return {
      cpu: row.cpu,
      processed: of("processed"),
      dropped: of("dropped"),
      timeSqueeze: of("timeSqueeze"),
      flowLimit: of("flowLimit"),
      ...shares(timesBefore?.get(row.cpu), timesAfter?.get(row.cpu)),
    };
  });
}

/** Idle time may go backward by a tick on kernels without ticks: such a share is 0. */
function shares(
  before: CpuTimes | undefined,
  after: CpuTimes | undefined,
): Pick<CpuMeasure, "softirqShare" | "idleShare"> {
  const total = before && after ? Number(after.totalTicks - before.totalTicks) : 0;
  if (before === undefined || after === undefined || total <= 0) {
    return { softirqShare: undefined, idleShare: undefined };
  }
  const share = (from: bigint, to: bigint): number => Math.min(1, Math.max(0, Number(to - from) / total));
  return {
    softirqShare: share(before.softirqTicks, after.softirqTicks),
    idleShare: share(before.idleTicks, after.idleTicks),
  };
}
