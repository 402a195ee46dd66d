import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A process that outlives the one that started it. */
export interface Daemon {
  name: string;
  pid: number;
  /** Tells it from a later process with the same number; in clock ticks since the machine's start. */
  startTicks: string;
  logFile: string;
}

export interface DaemonPlan {
  name: string;
  command: readonly [string, readonly string[]];
  logFile: string;
  env?: NodeJS.ProcessEnv;
}

/** Starts a program in a session of its own; its output is appended to the log. */
export async function startDaemon({ name, command, logFile, env }: DaemonPlan): Promise<Daemon> {
  const log = openSync(logFile, "a");
  try {
    const [file, args] = command;
    const child = spawn(file, args, { detached: true, stdio: ["ignore", log, log], env: env ?? process.env });
    await new Promise<void>((resolve, reject) => child.once("spawn", resolve).once("error", reject));
    child.unref();
    return { name, pid: child.pid!, startTicks: startTicksOf(child.pid!) ?? "", logFile };
  } finally {
    closeSync(log);
  }
}

/** Undefined when no such process runs. */
export function startTicksOf(pid: number): string | undefined {
  if (!existsSync(`/proc/${pid}`)) return undefined;
  try {
    // The name, which may hold spaces and brackets, ends with the last bracket; the state follows, then field 4.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

export function isRunning({ pid, startTicks }: Daemon): boolean {
  return startTicksOf(pid) === startTicks;
}

/** Ends a daemon and waits until it is gone; SIGKILL after 10 s. */
export async function stopDaemon(daemon: Daemon): Promise<void> {
  const forcedAt = Date.now() + 10_000;
  if (isRunning(daemon)) process.kill(daemon.pid, "SIGTERM");
  while (isRunning(daemon)) {
    if (Date.now() > forcedAt) process.kill(daemon.pid, "SIGKILL");
    await sleep(20);
  }
}

const timeLimitMs = 180_000;

/**
 * Asks until the answer is neither undefined nor false. Throws with the end of its log when one of the daemons ends
 * first, when `signal` fires, and after 3 minutes.
 */
export async function untilTrue<Answer>(
  what: string,
  daemons: readonly Daemon[],
  ask: () => Promise<Answer | undefined | false>,
  signal?: AbortSignal,
): Promise<Answer> {
  const deadline = Date.now() + timeLimitMs;
  let fault = "";
  const tryOnce = async (): Promise<Answer | undefined | false> => {
    try {
      return await ask();
    } catch (error) {
      fault = `: ${(error as Error).message}`;
      return undefined;
    }
  };
  for (let answer = await tryOnce(); ; answer = await tryOnce()) {
    if (answer !== undefined && answer !== false) return answer;
    const ended = daemons.find((daemon) => !isRunning(daemon));
    if (ended !== undefined) throw new Error(`${ended.name} ended\n${logEnd(ended.logFile)}`);
    signal?.throwIfAborted();
    if (Date.now() > deadline) throw new Error(`${what}: not after ${timeLimitMs / 1000} s${fault}`);
    await sleep(100);
  }
}

function logEnd(file: string, lines = 20): string {
  return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines).join("\n") : "";
}
