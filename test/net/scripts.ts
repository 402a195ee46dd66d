import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { insideNamespace } from "../../proxy/lab/namespace.ts";
import { script } from "./inside.ts";

/** Python scripts of this folder that run in namespaces until their input ends. */
export class Scripts {
  readonly #children: ChildProcess[] = [];

  /** Resolves with its process, once it has said that it is ready. */
  async start(namespace: string, name: string, ...args: readonly (string | number)[]): Promise<number> {
    const [file, argv] = insideNamespace(namespace, script(name, ...args.map(String)));
    const child = spawn(file, argv, { stdio: ["pipe", "pipe", "inherit"] });
    this.#children.push(child);
    await once(child.stdout!, "data");
    return child.pid!;
  }

  /** Resolves once all have ended. */
  async end(): Promise<void> {
    for (const child of this.#children.splice(0)) {
      child.stdin?.end();
      if (child.exitCode === null) await once(child, "exit");
    }
  }
}
