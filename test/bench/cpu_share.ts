import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/*
 * Each packet thread gets a share of a CPU, as if it had a slow CPU to itself, so that a load generator on the same
 * machine can send more than a proxy can take. Documentation/scheduler/sched-bwc.rst, admin-guide/cgroup-v2.rst.
 */

/** Short, so that a pause fits into the socket's buffer many times. */
const periodUs = 10_000;
const prefix = "quicproxy-bench-";

/** Where the cpu controller is mounted. */
export interface Controller {
  version: 1 | 2;
  root: string;
}

/** The mount of the cpu controller in /proc/mounts; undefined where there is none. */
export function findController(mounts: string, controllersOf = readControllers): Controller | undefined {
  for (const line of mounts.split("\n")) {
    const [, root, type, options] = line.split(" ");
    if (root === undefined) continue;
    if (type === "cgroup" && options?.split(",").includes("cpu")) return { version: 1, root };
    if (type === "cgroup2" && controllersOf(root).includes("cpu")) return { version: 2, root };
  }
  return undefined;
}

function readControllers(root: string): string[] {
  return readFileSync(join(root, "cgroup.controllers"), "utf8").trim().split(" ");
}

/** Throws with what is missing when the machine's control groups cannot be used. */
export function requireController(): Controller {
  const found = findController(readFileSync("/proc/mounts", "utf8"));
  if (found !== undefined) return found;
  throw new Error("the overload needs the cpu controller of control groups, version 1 or 2, and none is mounted here");
}

interface GroupFile {
  path: string;
  text: string;
}

/** The files to write, in this order, to bound threads of a process; a directory is made where it is missing. */
export function shareFiles(controller: Controller, pid: number, tids: readonly number[], percent: number): GroupFile[] {
  const { version, root } = controller;
  const quotaUs = (percent * periodUs) / 100;
  const group = join(root, `${prefix}${process.pid}-${pid}`);
  if (version === 1) {
    return tids.flatMap((tid) => {
      const own = `${group}-${tid}`;
      return [
        { path: join(own, "cpu.cfs_period_us"), text: String(periodUs) },
        { path: join(own, "cpu.cfs_quota_us"), text: String(quotaUs) },
        { path: join(own, "cpu.shares"), text: "10240" },
        { path: join(own, "tasks"), text: String(tid) },
      ];
    });
  }
  const threads = tids.map((tid) => ({ tid, own: join(group, String(tid)) }));
  return [
    { path: join(group, "cgroup.procs"), text: String(pid) },
    ...threads.map(({ own }) => ({ path: join(own, "cgroup.type"), text: "threaded" })),
    { path: join(group, "cgroup.subtree_control"), text: "+cpu" },
    ...threads.flatMap(({ tid, own }) => [
      { path: join(own, "cpu.max"), text: `${quotaUs} ${periodUs}` },
      { path: join(own, "cgroup.threads"), text: String(tid) },
    ]),
  ];
}

/** Bounds each thread to `percent` of a CPU. */
export function shareCpu(controller: Controller, pid: number, tids: readonly number[], percent: number): void {
  for (const { path, text } of shareFiles(controller, pid, tids, percent)) {
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, text);
  }
}

/** Removes the groups of this process, whose threads have ended, and of those that are dead. */
export function removeShares({ root }: Controller): void {
  for (const name of readdirSync(root)) {
    const owner = /^quicproxy-bench-(\d+)-/.exec(name)?.[1];
    if (owner === undefined || (Number(owner) !== process.pid && existsSync(`/proc/${owner}`))) continue;
    const group = join(root, name);
    for (const entry of readdirSync(group, { withFileTypes: true })) {
      if (entry.isDirectory()) rmdirSync(join(group, entry.name));
    }
    rmdirSync(group);
  }
}
