import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { insideNamespace } from "../../../proxy/lab/namespace.ts";

/** What a tool did, as it prints it in the end. */
export interface Sent {
  readonly sent: number;
  readonly refused: number;
}

/** Rests of a command line: an option without a value is one that is switched on. */
export type Options = Readonly<Record<string, string | number | boolean | undefined>>;

const READY = "ready\n";
const JOIN = 'echo $$ >"$0" && exec "$@"';

/** A Python program of tools/ inside a namespace. It ends when its standard input does: also when this process is killed. */
export class Tool {
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;
  #stdout = "";
  #stderr = "";

  private constructor([file, ...args]: readonly string[]) {
    this.#process = spawn(file!, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#process.stdout!.on("data", (text) => (this.#stdout += text));
    this.#process.stderr!.on("data", (text) => (this.#stderr += text));
    this.#process.stdin!.on("error", () => {});
    this.#closed = once(this.#process, "close");
  }

  /**
   * Resolves when the tool says that it is ready; throws with what it wrote when it ends before. `cgroup`: the file of a
   * cgroup that it becomes a member of before it opens anything.
   */
  static async start(namespace: string, name: string, { cgroup, ...options }: Options): Promise<Tool> {
    const words = Object.entries(options).flatMap(([option, value]) =>
      value === undefined || value === false ? [] : value === true ? [`--${option}`] : [`--${option}`, `${value}`],
    );
    const file = join(import.meta.dirname, "../tools", name);
    const [program, args] = insideNamespace(namespace, ["/usr/bin/python3", file, ...words]);
    const joining = cgroup === undefined ? [] : ["/bin/sh", "-c", JOIN, String(cgroup)];
    const tool = new Tool([...joining, program, ...args]);
    await tool.#ready(name);
    return tool;
  }

  get pid(): number {
    return this.#process.pid!;
  }

  async #ready(name: string): Promise<void> {
    while (!this.#stdout.startsWith(READY)) {
      const [what] = await Promise.race([once(this.#process.stdout!, "data"), this.#closed.then(() => [undefined])]);
      if (what === undefined) throw new Error(`${name} ended: ${this.#stderr.trim()}`);
    }
  }

  /** Ends it; what it printed after `ready`. */
  async stop(): Promise<string> {
    this.#process.stdin!.end();
    const forced = setTimeout(() => this.#process.kill("SIGKILL"), 10_000);
    await this.#closed;
    clearTimeout(forced);
    return this.#stdout.slice(READY.length);
  }
}
