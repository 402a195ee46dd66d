import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const statistics = "/proc/sys/kernel/bpf_stats_enabled";

/** The types of programs that are on a datagram's way (enum bpf_prog_type, include/uapi/linux/bpf.h). */
const packetTypes: ReadonlyMap<number, string> = new Map([
  [21, "SK_REUSEPORT (steering)"],
  [30, "SK_LOOKUP (replies)"],
]);

/** A BPF program that a process holds. */
export interface BpfProgram {
  id: number;
  type: string;
  /** Both grow only while the kernel's statistics are on. */
  runs: number;
  runTimeNs: number;
}

/** The program of a descriptor's file in /proc/PID/fdinfo; undefined for any other descriptor and for other types. */
export function programOfFdinfo(fdinfo: string): BpfProgram | undefined {
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)$`, "m").exec(fdinfo)?.[1]);
  const type = packetTypes.get(field("prog_type"));
  if (type === undefined || !fdinfo.includes("\nrun_cnt:")) return undefined;
  return { id: field("prog_id"), type, runs: field("run_cnt"), runTimeNs: field("run_time_ns") };
}

/** Those of a process, each once. */
export function programsOf(pid: number): BpfProgram[] {
  const found = new Map<number, BpfProgram>();
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    const program = programOfFdinfo(readFdinfo(pid, fd));
    if (program !== undefined) found.set(program.id, program);
  }
  return [...found.values()];
}

/** Empty when the descriptor has been closed meanwhile. */
function readFdinfo(pid: number, fd: string): string {
  try {
    return readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8");
  } catch {
    return "";
  }
}

/** The kernel counts runs and time of every BPF program meanwhile, which costs each run some tens of nanoseconds. */
export async function withStatistics<Result>(run: () => Promise<Result>): Promise<Result> {
  const before = readFileSync(statistics, "utf8");
  writeFileSync(statistics, "1");
  try {
    return await run();
  } finally {
    writeFileSync(statistics, before);
  }
}

export interface ProgramCost {
  type: string;
  runs: number;
  nsPerRun: number;
}

/** Runs and time between two readings, of all programs of a type together; those that did not run are left out. */
export function costsBetween(before: readonly BpfProgram[], after: readonly BpfProgram[]): ProgramCost[] {
  const types = [...new Set(after.map(({ type }) => type))];
  const total = (programs: readonly BpfProgram[], type: string, name: "runs" | "runTimeNs"): number =>
    programs.filter((one) => one.type === type).reduce((sum, one) => sum + one[name], 0);
  return types
    .map((type) => {
      const runs = total(after, type, "runs") - total(before, type, "runs");
      const ns = total(after, type, "runTimeNs") - total(before, type, "runTimeNs");
      return { type, runs, nsPerRun: ns / runs };
    })
    .filter(({ runs }) => runs > 0);
}
