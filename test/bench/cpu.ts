import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks of /proc/stat per second; Linux shows 100 to user space on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;
const MICROS_PER_TICK = 1e6 / TICKS_PER_SECOND;
const MICROS_PER_NANO = 1e-3;

/** User and system time in microseconds. */
export interface CpuTimes {
  /** A process with its threads and its children. */
  process: number;
  /** The threads of the packet path: those whose names begin with qp-worker or qp-receive. */
  workers: number;
  /** Everything but idle on the whole machine, also what others do there; in steps of 10 ms. */
  machine: number;
}

const WORKER_THREAD = /^qp-(worker|receive)/;

/** Time on a CPU of a schedstat file in /proc: its first number, nanoseconds (Documentation/scheduler/sched-stats.rst). */
export function cpuOfSchedstat(schedstat: string): number {
  return Number(schedstat.split(" ")[0]) * MICROS_PER_NANO;
}

/** All but idle and iowait of the first line of /proc/stat; guest time is part of user time already. */
export function cpuOfMachine(stat: string): number {
  const [user, nice, system, , , irq, softirq, steal] = stat.split("\n")[0]!.split(/\s+/).slice(1).map(Number);
  return (
    [user, nice, system, irq, softirq, steal].reduce<number>((sum, value) => sum + (value ?? 0), 0) * MICROS_PER_TICK
  );
}

interface Thread {
  name: string;
  tid: number;
  cpuUs: number;
}

function threadsOf(pid: number): Thread[] {
  return readdirSync(`/proc/${pid}/task`).map((tid) => {
    const directory = `/proc/${pid}/task/${tid}`;
    const cpuUs = cpuOfSchedstat(readFileSync(`${directory}/schedstat`, "utf8"));
    return { name: readFileSync(`${directory}/comm`, "utf8").trim(), tid: Number(tid), cpuUs };
  });
}

function processTree(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  return [pid, ...children.flatMap(processTree)];
}

/** The threads that move packets: those named as workers, or where there are none, those of the processes it started. */
export function packetThreads(pid: number): number[] {
  const workers = threadsOf(pid).filter(({ name }) => WORKER_THREAD.test(name));
  const threads = workers.length > 0 ? workers : processTree(pid).slice(1).flatMap(threadsOf);
  return threads.map(({ tid }) => tid);
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Without a process: the machine alone. */
export function readCpu(pid: number | undefined): CpuTimes {
  const machine = cpuOfMachine(readFileSync("/proc/stat", "utf8"));
  if (pid === undefined) return { process: 0, workers: 0, machine };
  const threads = processTree(pid).flatMap(threadsOf);
  const workers = threads.filter(({ name }) => WORKER_THREAD.test(name));
  return {
    process: sum(threads.map(({ cpuUs }) => cpuUs)),
    workers: sum(workers.map(({ cpuUs }) => cpuUs)),
    machine,
  };
}
