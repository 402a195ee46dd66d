import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks of /proc per second; Linux shows 100 to user space on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;
const MICROS_PER_TICK = 1e6 / TICKS_PER_SECOND;

/** User and system time in microseconds, in steps of 10 ms. */
export interface CpuTimes {
  /** A process with its threads and its children. */
  process: number;
  /** The threads whose names begin with qp-worker. */
  workers: number;
  /** Everything but idle on the whole machine, also what others do there. */
  machine: number;
}

const WORKER_THREAD = /^qp-worker/;

/** utime and stime of a stat file in /proc: fields 14 and 15, after the name in parentheses. */
export function cpuOfStat(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * MICROS_PER_TICK;
}

/** All but idle and iowait of the first line of /proc/stat; guest time is part of user time already. */
export function cpuOfMachine(stat: string): number {
  const [user, nice, system, , , irq, softirq, steal] = stat.split("\n")[0]!.split(/\s+/).slice(1).map(Number);
  return (
    [user, nice, system, irq, softirq, steal].reduce<number>((sum, value) => sum + (value ?? 0), 0) * MICROS_PER_TICK
  );
}

const cpuOfFile = (file: string): number => cpuOfStat(readFileSync(file, "utf8"));

function processTree(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  return [pid, ...children.flatMap(processTree)];
}

function workersOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .filter((tid) => WORKER_THREAD.test(readFileSync(`/proc/${pid}/task/${tid}/comm`, "utf8")))
    .reduce((sum, tid) => sum + cpuOfFile(`/proc/${pid}/task/${tid}/stat`), 0);
}

/** Without a process: the machine alone. */
export function readCpu(pid: number | undefined): CpuTimes {
  const machine = cpuOfMachine(readFileSync("/proc/stat", "utf8"));
  if (pid === undefined) return { process: 0, workers: 0, machine };
  const process = processTree(pid).reduce((sum, one) => sum + cpuOfFile(`/proc/${one}/stat`), 0);
  return { process, workers: workersOf(pid), machine };
}
