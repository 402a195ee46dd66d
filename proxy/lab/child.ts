import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { insideNamespace } from "./namespace.ts";

export interface ChildPlan {
  /** For messages. */
  name: string;
  namespace: string;
  command: readonly string[];
  /** Takes both output streams. */
  logFile: string;
  env?: NodeJS.ProcessEnv;
}

export interface Child {
  name: string;
  pid: number;
  logFile: string;
  /** Resolves with the exit code, or the signal's name. */
  exited: Promise<number | string>;
  running(): boolean;
  stop(signal?: NodeJS.Signals): Promise<number | string>;
}

const started = new Set<Child>();

/** Waits until the system has taken back every program of this process that has been killed. */
export async function untilChildrenEnded(): Promise<void> {
  await Promise.all([...started].map(({ exited }) => exited));
}

/**
 * Starts a program inside a namespace, in a session of its own: a Ctrl-C at the terminal reaches only the lab, which
 * then ends its programs in order. removeLab ends whatever is left.
 */
export function startChild(plan: ChildPlan): Child {
  const [file, args] = insideNamespace(plan.namespace, plan.command);
  const log = openSync(plan.logFile, "a");
  let process: ChildProcess;
  try {
    process = spawn(file, args, {
      detached: true,
      stdio: ["ignore", log, log],
      env: plan.env ?? globalThis.process.env,
    });
  } finally {
    closeSync(log);
  }
  const exited = new Promise<number | string>((resolve) => {
    process.once("exit", (code, signal) => resolve(code ?? signal ?? "unknown"));
    process.once("error", (error) => resolve(error.message));
  });
  const running = (): boolean => process.pid !== undefined && process.exitCode === null && process.signalCode === null;
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<number | string> => {
    if (running()) process.kill(signal);
    const forced = setTimeout(() => process.kill("SIGKILL"), 10_000);
    try {
      return await exited;
    } finally {
      clearTimeout(forced);
    }
  };
  const child = { name: plan.name, pid: process.pid ?? -1, logFile: plan.logFile, exited, running, stop };
  started.add(child);
  void exited.then(() => started.delete(child));
  return child;
}

/** Only a program that hangs takes longer, also on a busy machine. */
const readyLimitMs = 60_000;

/** Waits until a started program is ready. Throws with the end of its log when it ends first, or after 60 s. */
export async function untilReady(child: Child, ready: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + readyLimitMs;
  while (!(await ready())) {
    if (!child.running()) throw new Error(`${child.name} ended with ${await child.exited}\n${logEnd(child.logFile)}`);
    if (Date.now() > deadline)
      throw new Error(`${child.name} is not ready after ${readyLimitMs / 1000} s\n${logEnd(child.logFile)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function logEnd(file: string, lines = 20): string {
  return readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
}

/** Whether a process's network namespace has a UDP socket bound to this port, of every named family. */
export function udpPortBound(pid: number, port: number, families: readonly ("udp" | "udp6")[]): boolean {
  const needle = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  return families.every((family) =>
    readNetworkTable(pid, family)
      .split("\n")
      .some((line) => (line.trim().split(/\s+/)[1] ?? "").concat(" ").endsWith(needle)),
  );
}

/** Empty when the process has ended. */
function readNetworkTable(pid: number, family: string): string {
  try {
    return readFileSync(`/proc/${pid}/net/${family}`, "utf8");
  } catch {
    return "";
  }
}
