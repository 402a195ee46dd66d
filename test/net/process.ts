import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/* What the kernel says of a process, and how a test waits for it. */

const LIMIT_MS = 30_000;

/** Polls as often as it can: what it waits for may last a few milliseconds. */
export async function untilTrue(what: string, holds: () => boolean | Promise<boolean>, pauseMs = 0): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${LIMIT_MS} ms: ${what}`);
    await sleep(pauseMs);
  }
}

/** The process in a process namespace of its own that `unshare --fork` has started. */
export function childOf(pid: number): number | undefined {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);
  return child || undefined;
}

/** Whether a process has a handler for a signal; false where there is no such process. */
export function catches(pid: number, signal: NodeJS.Signals): boolean {
  try {
    const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1];
    return ((BigInt(`0x${mask}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
  } catch {
    return false;
  }
}

/** Waits until the program's own handlers are there; Node.js itself catches SIGTERM and SIGINT, but never SIGHUP. */
export const untilHandlers = (pid: number): Promise<void> =>
  untilTrue("the program has handlers for signals", () => catches(pid, "SIGHUP"));

/** Whether a library or an addon is in the memory of a process. */
export function hasLoaded(pid: number, file: string): boolean {
  return readFileSync(`/proc/${pid}/maps`, "utf8").includes(file);
}

/** TCP ports on which something listens in the network namespace of a process. */
export function listeningPorts(pid: number): number[] {
  const LISTEN = "0A";
  return ["tcp", "tcp6"].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((columns) => columns[3] === LISTEN)
      .map((columns) => Number.parseInt(columns[1]!.split(":")[1]!, 16)),
  );
}
