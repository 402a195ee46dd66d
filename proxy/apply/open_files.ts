import { readFileSync } from "node:fs";
import type { Contract } from "../contract/contract.ts";

/*
 * What the process opens beside a socket per flow, counted in /proc/<pid>/fd on Linux 6.18 with every level in use; less
 * is open where one is not. test/net/open_files.test.ts counts again.
 */

/** Node.js, standard streams, metrics, counters. */
const OF_PROCESS = 26;
/** For clients of the metrics, files that are read, probes of backends, sockets that change over in a reload. */
const TO_SPARE = 64;
/** A worker's tables, its epoll set and eventfd, those of its receiving thread, and sockets of upstream level RawSend. */
const PER_WORKER = 3 + 2 + 7;
/** Maps, program and BTF of a listening address that is steered to one of several workers, and of what all share. */
const OF_STEERING = 7;
/** Maps, program, BTF and link of SK_LOOKUP. */
const OF_UPSTREAM_LOOKUP = 6;

/** The open files that a contract needs before the first flow, with some to spare. */
export function openFilesNeeded({ workers, endpoints }: Pick<Contract, "workers" | "endpoints">): number {
  const steering = workers === 1 ? 0 : (endpoints.length + 1) * OF_STEERING;
  const forwarding = workers * (PER_WORKER + endpoints.length) + OF_UPSTREAM_LOOKUP;
  return OF_PROCESS + TO_SPARE + forwarding + steering;
}

/** RLIMIT_NOFILE of this process, the hard limit: the soft one is raised to it. Undefined where there is none. */
export function openFileLimit(): number | undefined {
  const [, hard] = /^Max open files +\S+ +(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  const limit = Number(hard);
  return Number.isInteger(limit) ? limit : undefined;
}

/** What to do about a limit that is too low. */
export function raiseOpenFiles(needed: number): string {
  const limit = openFileLimit();
  const now = limit === undefined ? "" : `, it is ${limit}`;
  return (
    `this manifest needs a limit on open files of ${needed} and one more for each flow with a socket of its own${now}: ` +
    "raise it with `ulimit -n` (LimitNOFILE= in a systemd unit), or lower spec.dataPlane.workers"
  );
}
