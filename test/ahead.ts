import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export interface AheadPlan {
  commands: readonly (readonly string[])[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** Takes what the commands say. */
  logFile: string;
}

/**
 * Runs commands one after the other as long as the machine has nothing else to do (SCHED_IDLE, sched(7)), beside suites
 * that mostly wait. A head start and nothing more: whoever needs the outcome stops it and runs the commands himself, and
 * hears then what is wrong with them. They must therefore be such as go on where they were ended.
 */
export class Ahead {
  #child: ChildProcess | undefined;
  #stopped = false;
  readonly #ended: Promise<void>;

  constructor(plan: AheadPlan) {
    this.#ended = this.#run(plan);
  }

  async #run({ commands, cwd, env, logFile }: AheadPlan): Promise<void> {
    const log = openSync(logFile, "w");
    try {
      for (const command of commands) {
        if (this.#stopped) break;
        // A process group of its own, which ends as a whole.
        const child = spawn("chrt", ["--idle", "0", ...command], {
          cwd,
          env,
          stdio: ["ignore", log, log],
          detached: true,
        });
        this.#child = child;
        await new Promise((resolve) => child.once("exit", resolve).once("error", resolve));
      }
    } finally {
      this.#child = undefined;
      closeSync(log);
    }
  }

  /** Resolves when nothing of it runs any more; compilers remove what they had begun. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const group = this.#child?.pid;
    if (group !== undefined && groupRuns(group)) {
      process.kill(-group, "SIGTERM");
      while (groupRuns(group)) await sleep(20);
    }
    await this.#ended;
  }
}

/** Whether a process of the group runs; what has ended and nobody fetched does not: some containers' first process. */
function groupRuns(group: number): boolean {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.some((pid) => {
    // proc_pid_stat(5): after the name in brackets come state, parent and group.
    const [state, , itsGroup] = statOf(pid);
    return itsGroup === String(group) && state !== "Z";
  });
}

function statOf(pid: string): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}
