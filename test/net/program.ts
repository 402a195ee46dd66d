import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { insideNamespace } from "../../proxy/lab/namespace.ts";

const root = resolve(import.meta.dirname, "../..");
export const program = join(root, "proxy/cli/main.ts");

/** Of whole lines of a log: the last may not have come to its end. */
export const messagesOf = (log: string): string[] =>
  log
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line).msg as string);

export interface Ended {
  code: number | string;
  stdout: string;
  stderr: string;
}

export interface ProgramOptions {
  namespace: string;
  /** A command that ends in running the one after it, such as setpriv. */
  wrapper?: readonly string[];
  /** What is done with the program's standard output. Default: kept. */
  stdout?: "pipe" | number;
  /** How the program is started. Default: by the Node.js of this process. */
  command?: readonly string[];
  /** Beside the environment of this process. */
  env?: Readonly<Record<string, string>>;
}

/** `quicproxy <args>`, the real program, inside a namespace. */
export class Program {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  #stdout = "";
  #stderr = "";

  constructor(args: readonly string[], options: ProgramOptions) {
    const { namespace, wrapper = [], stdout = "pipe", command = [process.execPath, program], env } = options;
    const [file, all] = insideNamespace(namespace, [...wrapper, ...command, ...args]);
    const cache = process.env.NODE_COMPILE_CACHE ?? join(root, "build/node-cache");
    this.process = spawn(file, all, {
      stdio: ["ignore", stdout, "pipe"],
      env: { ...process.env, NODE_COMPILE_CACHE: cache, ...env },
    });
    this.process.stdout?.on("data", (text) => (this.#stdout += text));
    this.process.stderr?.on("data", (text) => (this.#stderr += text));
    this.ended = once(this.process, "close").then(([code, signal]) => {
      return { code: code ?? signal, stdout: this.#stdout, stderr: this.#stderr };
    });
  }

  get pid(): number {
    return this.process.pid!;
  }

  get output(): string {
    return this.#stdout + this.#stderr;
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Ends the program if it runs; resolves with how it ended. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Ended> {
    if (this.running) this.process.kill(signal);
    const forced = setTimeout(() => this.process.kill("SIGKILL"), 10_000);
    try {
      return await this.ended;
    } finally {
      clearTimeout(forced);
    }
  }
}
